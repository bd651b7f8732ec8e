package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// buildDir is where the server under test is built.
var buildDir string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	buildDir = dir
	return m.Run()
}

// mailserver builds examples/mailserver, once, as a user would, and returns its path.
var mailserver = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "mailserver")
	cmd := exec.Command("go", "build", "-o", path, "../examples/mailserver")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return path, nil
})
