// Package unload lets go of the pages of the program's own file that only its
// start or a load needed. The kernel maps sixteen for each that is touched, and
// most of the program, once its parts are made, is what was.
package unload
