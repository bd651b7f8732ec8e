// Package accounttest tests implementations of account.Directory: the promises that
// package account makes of a Directory, and those of a Manager where it is one.
//
//	func TestDirectory(t *testing.T) {
//		accounttest.Run(t, func(t *testing.T, entries ...account.Entry) account.Directory {
//			d := open(t)
//			... add the entries ...
//			return d
//		})
//	}
//
// Each promise is a subtest of its own, with a Directory of its own.
package accounttest
