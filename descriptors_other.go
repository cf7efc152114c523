//go:build !unix

package hoofbeat

// maxDescriptors is how many files the process may have open; 0: nobody knows.
func maxDescriptors() int { return 0 }
