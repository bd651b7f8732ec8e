//go:build !unix || solaris || illumos || aix

package sqlite

import "os"

// lockFile only makes the file where the system has no flock: there, whoever runs two
// servers on one folder is not stopped.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
