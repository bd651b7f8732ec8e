package interop

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/miekg/dns"
)

// An internet is one of a test's own: addresses that nobody else on this machine uses, and one port for all SMTP servers.
type internet struct {
	prefix string // of the addresses
	port   int
}

// newInternet finds a part of 127.0.0.0/8, all of which is loopback on Linux, and a port that is free there.
func newInternet(t *testing.T) *internet {
	t.Helper()
	n := &internet{prefix: fmt.Sprintf("127.%d.%d.", 1+rand.IntN(254), rand.IntN(256))}
	addr := freeOn(t, n.Host(hostOurs))
	n.port = int(addr.Port())
	return n
}

// freeOn returns an address of the host with a port that is free for UDP and TCP.
func freeOn(t *testing.T, host string) netip.AddrPort {
	t.Helper()
	// A process that is being started holds all that is open here for a moment, and the port with it.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var errs error
	for range 10 {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			unavailable(t, fmt.Sprintf("no loopback address but 127.0.0.1: %v", err))
		}
		p, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err == nil {
			p.Close()
			return netip.MustParseAddrPort(l.Addr().String())
		}
		errs = errors.Join(errs, err)
	}
	t.Fatal(errs)
	return netip.AddrPort{}
}

// Host returns the address of a host, from 1 to 254. Templates call it.
func (n *internet) Host(i int) string { return n.prefix + strconv.Itoa(i) }

// smtp returns where a host takes mail.
func (n *internet) smtp(i int) string { return net.JoinHostPort(n.Host(i), strconv.Itoa(n.port)) }

// The hosts of the zone.
const (
	hostOurs    = 1 // the server under test
	hostPeer    = 2 // Postfix
	hostSink    = 3 // a server that is sometimes there
	hostDNS     = 53
	hostNowhere = 99 // nobody ever listens there
)

// zone is what the DNS of a test knows.
var zone = template.Must(template.New("zone").Parse(`$ORIGIN test.
$TTL 60
@               SOA  ns hostmaster 1 60 60 600 60
@               NS   ns
ns              A    {{.Host 53}}

ours            MX   10 mx.ours
mx.ours         A    {{.Host 1}}

; The best server of peer.test is always down.
peer            MX   5 dead.peer
peer            MX   10 mx.peer
dead.peer       A    {{.Host 99}}
mx.peer         A    {{.Host 2}}

sink            MX   10 mx.sink
mx.sink         A    {{.Host 3}}

; No MX: the address will do (RFC 5321, section 5.1).
implicit        A    {{.Host 3}}

nullmx          MX   0 .
nullmx          A    {{.Host 3}}
nomail          TXT  "neither MX nor address"
mxnowhere       MX   10 no-such-host.mxnowhere
`))

// zoneText returns the zone with the addresses of n.
func (n *internet) zoneText(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := zone.Execute(&b, n); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A daemon is a server of somebody else's that runs until the test ends.
type daemon struct {
	cmd   *exec.Cmd
	out   logBuffer
	ended chan struct{}
}

// startDaemon starts a program that stays in the foreground. When the test ends, it and all that it started gets SIGTERM, and SIGKILL if that
// does not help.
func startDaemon(t *testing.T, path string, args ...string) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	isolate(d.cmd)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	d.cmd.WaitDelay = time.Second
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		d.cmd.Wait() // stop asks for no status: it is killed, or what it said is in the log
	}()
	t.Cleanup(func() { d.stop(t) })
	return d
}

func (d *daemon) stop(t *testing.T) {
	signal(d.cmd, syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(10 * time.Second):
	}
	signal(d.cmd, syscall.SIGKILL) // also what the first of the group left behind
	<-d.ended
	if t.Failed() {
		t.Logf("log of %s:\n%s", d.cmd.Path, d.out.String())
	}
}

var knotConf = template.Must(template.New("knot").Parse(`
server:
    rundir: {{.Dir}}
    listen: [ {{range $i, $a := .Listen}}{{if $i}}, {{end}}{{$a}}{{end}} ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: {{.Dir}}/knot.sock
database:
    storage: {{.Dir}}
zone:
  - domain: test.
    storage: {{.Dir}}
    file: test.zone
    zonefile-sync: -1
    journal-content: none
log:
  - target: stderr
    any: info
`))

// startDNS starts knot with the zone and returns where it answers. Extra addresses are in knot's notation, with @ before the port.
func (n *internet) startDNS(t *testing.T, extra ...string) string {
	t.Helper()
	path := program(t, "knotd")
	dir := shortDir(t)
	writeFile(t, filepath.Join(dir, "test.zone"), n.zoneText(t))
	addr := freeOn(t, n.Host(hostDNS)).String()
	var conf bytes.Buffer
	knotConf.Execute(&conf, map[string]any{"Dir": dir, "Listen": append(extra, strings.Replace(addr, ":", "@", 1))})
	writeFile(t, filepath.Join(dir, "knot.conf"), conf.String())
	d := startDaemon(t, path, "-c", filepath.Join(dir, "knot.conf"))
	eventually(t, patience, func() error {
		select {
		case <-d.ended:
			t.Fatal("knotd ended")
		default:
		}
		q := new(dns.Msg).SetQuestion("test.", dns.TypeSOA)
		r, err := dns.Exchange(q, addr)
		if err == nil && len(r.Answer) != 1 {
			err = fmt.Errorf("knot answers %v", r)
		}
		return err
	})
	return addr
}

// shortDir returns a folder whose path leaves room for the name of a socket, and which daemons that gave up root may enter.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "io")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
