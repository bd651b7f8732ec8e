package interop

import (
	"errors"
	"os/exec"
	"syscall"
)

// isolate gives cmd a process group of its own, so that all it starts can be ended with it, and lets it die with the test.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// signal sends sig to cmd and all that it started.
func signal(cmd *exec.Cmd, sig syscall.Signal) error {
	if err := syscall.Kill(-cmd.Process.Pid, sig); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
