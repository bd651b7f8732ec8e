package interop

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that takes a moment, on a machine that is busy.
const patience = 60 * time.Second

// versions are the commands that tell a program's version, where it is not "program --version".
var versions = map[string][]string{
	"mutt":    {"mutt", "-v"},
	"postfix": {"postconf", "-dh", "mail_version"},
}

// program returns the path of a program of that name, and logs its version. Without one the test is skipped, or fails where the peers are required.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		// Debian keeps daemons where a user's PATH does not lead.
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		unavailable(t, "no "+name+" on this machine")
	}
	if _, again := logged.LoadOrStore([2]string{t.Name(), name}, true); !again {
		t.Logf("%s: %s", name, version(name, path))
	}
	return path
}

// unavailable ends a test that cannot run here.
func unavailable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("POSTRIDER_PEERS") == "required" {
		t.Fatalf("%s, and POSTRIDER_PEERS=required", why)
	}
	t.Skip(why)
}

var (
	logged sync.Map // [test, program]: its log has the version
	known  sync.Map // program: its version
)

// version returns the first line of what a program says of its version.
func version(name, path string) string {
	if v, ok := known.Load(name); ok {
		return v.(string)
	}
	ask := versions[name]
	if ask == nil {
		ask = []string{path, "--version"}
	}
	out, _ := exec.Command(ask[0], ask[1:]...).Output() // fetchmail fails for want of a server, after its version
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	line = line[:min(len(line), 60)]
	known.Store(name, line)
	return line
}

// A result is what a program did.
type result struct {
	command string
	status  int
	stdout  string
	stderr  string
}

func (r result) String() string {
	return r.command + "\nexit status " + strconv.Itoa(r.status) + "\n" + indent("stdout", r.stdout) + indent("stderr", r.stderr)
}

func indent(label, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(label + "| " + strings.TrimRight(line, "\r\n") + "\n")
	}
	return b.String()
}

// A command is a program to run to its end.
type command struct {
	path  string
	args  []string
	stdin string
	dir   string
	env   []string // besides ours
}

// run runs c and returns what it did, whatever that is.
func (c command) run(t *testing.T) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	isolate(cmd)
	cmd.Cancel = func() error { return signal(cmd, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Stdin = strings.NewReader(c.stdin)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := result{strings.Join(cmd.Args, " "), cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%v\n%v", errors.Join(err, ctx.Err()), r)
	}
	return r
}

// must runs c and fails the test unless its exit status is 0.
func (c command) must(t *testing.T) result {
	t.Helper()
	r := c.run(t)
	if r.status != 0 {
		t.Fatal(r)
	}
	return r
}

// eventually asks until there is no error, and fails the test if there always is one.
func eventually(t *testing.T, within time.Duration, ask func() error) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still so after %v: %v", within, err)
		}
	}
}
