// Package deps holds no code: its test keeps the imports of all packages pointing one way. The table of what each package
// may import, with reasons, is in deps_test.go; add a row there when adding a package or an import.
package deps
