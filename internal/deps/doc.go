// Package deps holds no code. Its test keeps the imports of all packages
// pointing in one direction. The table of allowed imports, with reasons, is in
// deps_test.go; add a row when you add a package or an import.
package deps
