package interop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A peer is a running mail server that takes in mail, with a folder of its own.
type peer struct {
	dir   string
	cmd   *exec.Cmd
	addr  string // where it takes mail in
	hello string // EHLO for SMTP, LHLO for LMTP

	idle func() (bool, error)                   // whether no message is on its way to a mailbox any more
	mail func(yield func(message []byte)) error // reads all mailboxes
}

// answered is the idle of a peer that delivers before it answers.
func answered() (bool, error) { return true, nil }

// mailID is the user and group to whom the mailboxes of the peers belong. No account need have it.
const mailID = 5000

// findPeer returns the path of a peer's program, or skips the benchmark.
func findPeer(b *testing.B, name string) string {
	b.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		b.Skip("no " + name + " on this machine")
	}
	if os.Geteuid() != 0 {
		b.Skip(name + " can be started by root only")
	}
	return path
}

// makeDir makes the folder of the peer. It is short, for there will be sockets in it, and its users may pass through it.
func (p *peer) makeDir(b *testing.B) {
	b.Helper()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatal(err)
	}
	p.dir = dir
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(p.path("mail"), 0o755)); err != nil {
		b.Fatal(err)
	}
}

func (p *peer) path(elem ...string) string { return filepath.Join(append([]string{p.dir}, elem...)...) }

func (p *peer) write(b *testing.B, name, text string) {
	b.Helper()
	if err := os.WriteFile(p.path(name), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}

// run starts the peer's process, whose output goes to a file as a supervisor would have it.
func (p *peer) run(b *testing.B, path string, args ...string) {
	b.Helper()
	log, err := os.Create(p.path("log"))
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	isolate(cmd)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p.cmd = cmd
}

// await waits until the peer takes mail in at an address.
func (p *peer) await(b *testing.B, addr, hello string) {
	b.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := dialLoad(addr, hello)
		if err == nil {
			conn.close()
			break
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(p.path("log"))
			b.Fatalf("the server does not answer: %v\n%s", err, log)
		}
	}
	p.addr, p.hello = addr, hello
}

// stop ends the process and removes the folder.
func (p *peer) stop(b *testing.B) {
	if p.cmd != nil {
		p.cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(patience, func() { signal(p.cmd, syscall.SIGKILL) })
		p.cmd.Wait()
		late.Stop()
	}
	if p.dir == "" {
		return
	}
	if err := os.RemoveAll(p.dir); err != nil {
		b.Error(err)
	}
}

// freeAddr returns an address of the loopback where nobody listened a moment ago.
func freeAddr(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// files reads all regular files below the mailboxes that match.
func (p *peer) files(match func(path string) bool) func(func([]byte)) error {
	return func(yield func([]byte)) error {
		return filepath.WalkDir(p.path("mail"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !match(path) {
				return err
			}
			text, err := os.ReadFile(path)
			yield(text)
			return err
		})
	}
}

// startPostrider starts examples/mailserver with its defaults, as its README does.
func (p *peer) startPostrider(b *testing.B) {
	path, err := mailserver()
	if err != nil {
		b.Fatal(err)
	}
	p.makeDir(b)
	args := []string{"-data", p.path("mail"), "-domain", benchDomain, "-insecure-auth"}
	for i := range benchUsers {
		args = append(args, "-account", benchUser(i)+":"+password)
	}
	for _, off := range []string{"submission", "submissions", "imap", "imaps", "pop3s"} {
		args = append(args, "-"+off, "")
	}
	smtp, pop := freeAddr(b), freeAddr(b)
	p.run(b, path, append(args, "-smtp", smtp, "-pop3", pop)...)
	p.await(b, smtp, "EHLO")
	p.idle, p.mail = answered, readPOP(pop)
}

// readPOP reads the mailboxes of all users by POP3.
func readPOP(addr string) func(func([]byte)) error {
	one := func(user string, yield func([]byte)) error {
		conn, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		c := &popClient{conn: conn, r: bufio.NewReader(conn)}
		if _, err := c.line(); err != nil {
			return err
		}
		var count int
		for _, command := range []string{"USER " + user, "PASS " + password, "STAT"} {
			reply, err := c.command(command)
			if err != nil {
				return err
			}
			fmt.Sscanf(reply, "+OK %d", &count)
		}
		for n := 1; n <= count; n++ {
			text, err := c.retrieve(n)
			if err != nil {
				return err
			}
			yield([]byte(text))
		}
		_, err = c.command("QUIT")
		return err
	}
	return func(yield func([]byte)) error {
		for i := range benchUsers {
			if err := one(benchUser(i), yield); err != nil {
				return fmt.Errorf("read the mail of %s: %w", benchUser(i), err)
			}
		}
		return nil
	}
}

// postfixConfig adds to Postfix's defaults what Debian's main.cf has, then our paths, users and limits.
const postfixConfig = `compatibility_level = 3.6
biff = no
append_dot_mydomain = no
alias_maps =
alias_database =
queue_directory = DIR/queue
data_directory = DIR/data
maillog_file = DIR/maillog
maillog_file_prefixes = DIR
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.bench.test
mydestination =
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
virtual_mailbox_domains = bench.test
virtual_mailbox_base = DIR/mail
virtual_mailbox_maps = texthash:DIR/users
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
virtual_mailbox_limit = 0
`

// startPostfix starts Postfix, which delivers from its queue by virtual(8) to Maildirs.
func (p *peer) startPostfix(b *testing.B) {
	postfix := findPeer(b, "postfix")
	p.makeDir(b)
	addr := freeAddr(b)
	p.write(b, "main.cf", strings.ReplaceAll(postfixConfig, "DIR", p.dir))
	p.write(b, "master.cf", masterConfig(b, addr))
	var users strings.Builder
	for i := range benchUsers {
		fmt.Fprintf(&users, "%s user%d/\n", benchUser(i), i)
	}
	p.write(b, "users", users.String())
	if err := errors.Join(os.Mkdir(p.path("queue"), 0o755), os.Mkdir(p.path("data"), 0o755), chown(p.path("data"), "postfix"),
		os.Chown(p.path("mail"), mailID, mailID)); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command(postfix, "-c", p.dir, "check").CombinedOutput(); err != nil { // makes its folders
		b.Fatalf("postfix check: %v\n%s", err, out)
	}
	// What "postfix start" would start, but as a child of ours.
	p.run(b, "/usr/lib/postfix/sbin/master", "-c", p.dir, "-d")
	p.await(b, addr, "EHLO")
	p.idle = p.postfixIdle
	p.mail = p.files(func(path string) bool { return filepath.Base(filepath.Dir(path)) == "new" })
}

// masterConfig returns Debian's master.cf, with smtpd at our address and nothing in a chroot, which would need files of the system.
func masterConfig(b *testing.B, addr string) string {
	b.Helper()
	text, err := os.ReadFile("/usr/share/postfix/master.cf.dist")
	if err != nil {
		b.Skip("Postfix is not as Debian packages it: ", err)
	}
	var all strings.Builder
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 8 && line[0] != '#' && line[0] != ' ' {
			if words[0] == "smtp" && words[1] == "inet" {
				words[0] = addr
			}
			words[4] = "n"
			line = strings.Join(words, " ") + "\n"
		}
		all.WriteString(line)
	}
	return all.String()
}

// chown gives a file to a user of the system.
func chown(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	id, err := strconv.Atoi(u.Uid)
	return errors.Join(err, os.Chown(path, id, -1))
}

// postfixIdle follows a message's way: incoming, active, mailbox. One that is deferred will be there no sooner than in minutes.
func (p *peer) postfixIdle() (bool, error) {
	for _, queue := range []string{"incoming", "active"} {
		dir, err := os.Open(p.path("queue", queue))
		if err != nil {
			return false, err
		}
		_, err = dir.Readdirnames(1)
		dir.Close()
		if err != io.EOF {
			return false, err
		}
	}
	return true, filepath.WalkDir(p.path("queue", "deferred"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = errors.New("Postfix deferred a message")
		}
		return err
	})
}

// dovecotConfig adds to Dovecot's defaults our paths, users and limits.
const dovecotConfig = `protocols = lmtp
listen = 127.0.0.1
base_dir = DIR/run
state_dir = DIR/run
log_path = DIR/maillog
ssl = no
mail_location = sdbox:~/sdbox
service lmtp {
  inet_listener lmtp {
    port = PORT
  }
}
userdb {
  driver = passwd-file
  args = DIR/users
}
passdb {
  driver = passwd-file
  args = DIR/users
}
namespace inbox {
  inbox = yes
}
protocol lmtp {
  postmaster_address = postmaster@bench.test
}
`

// startDovecot starts Dovecot, which delivers to sdbox before it answers.
func (p *peer) startDovecot(b *testing.B) {
	dovecot := findPeer(b, "dovecot")
	if _, err := os.Stat("/usr/lib/dovecot/lmtp"); err != nil {
		b.Skip("no LMTP in Dovecot: Debian's package dovecot-lmtpd has it")
	}
	p.makeDir(b)
	addr := freeAddr(b)
	_, port, _ := net.SplitHostPort(addr)
	p.write(b, "dovecot.conf", strings.NewReplacer("DIR", p.dir, "PORT", port).Replace(dovecotConfig))
	var users strings.Builder
	for i := range benchUsers {
		fmt.Fprintf(&users, "%s:{PLAIN}%s:%d:%d::%s/user%d::\n", benchUser(i), password, mailID, mailID, p.path("mail"), i)
	}
	p.write(b, "users", users.String())
	if err := os.Chown(p.path("mail"), mailID, mailID); err != nil {
		b.Fatal(err)
	}
	p.run(b, dovecot, "-F", "-c", p.path("dovecot.conf"))
	p.await(b, addr, "LHLO")
	p.idle = answered
	p.mail = p.files(func(path string) bool { return strings.HasPrefix(filepath.Base(path), "u.") })
}
