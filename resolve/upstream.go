package resolve

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// An upstream is one set of servers and what is known from it. It is replaced as
// a whole when the system names others: the answers of an old network, or
// trust in an old server, do not outlive it.
type upstream struct {
	servers []string // with ports
	trustAD bool
	good    atomic.Int32 // index of the server that answered last

	cache *cache // guarded by DNS.mu

	checked time.Time // when the file was last read
}

const (
	defaultResolvConf = "/etc/resolv.conf"
	rereadInterval    = 5 * time.Second
	maxServers        = 16
	maxResolvConf     = 64 << 10
)

// upstream returns the servers to ask now. The caller holds d.mu.
func (d *DNS) upstream() *upstream {
	if len(d.Servers) > 0 {
		if d.up == nil {
			d.up = d.newUpstream(d.Servers, d.TrustAD)
		}
		return d.up
	}
	if d.up == nil || time.Since(d.up.checked) >= rereadInterval {
		d.rereadResolvConf()
	}
	return d.up
}

func (d *DNS) newUpstream(servers []string, trustAD bool) *upstream {
	u := &upstream{trustAD: trustAD}
	for _, s := range servers {
		u.servers = append(u.servers, withPort(s))
	}
	switch {
	case d.CacheSize == 0:
		u.cache = newCache(defaultCacheSize)
	case d.CacheSize > 0:
		u.cache = newCache(d.CacheSize)
	}
	return u
}

// rereadResolvConf renews d.up if the file says something else, or if there is
// no d.up. A file that cannot be read now changes nothing.
func (d *DNS) rereadResolvConf() {
	path := d.ResolvConf
	if path == "" {
		path = defaultResolvConf
	}
	now := time.Now()
	var c resolvConf
	f, err := os.Open(path)
	switch {
	case err == nil:
		c = readResolvConf(f)
		f.Close()
	case d.up != nil:
		d.up.checked = now
		return
	}
	if len(c.servers) == 0 {
		c.servers = []string{"127.0.0.1"}
	}
	next := d.newUpstream(c.servers, d.TrustAD || c.trustAD)
	if d.up == nil || !slices.Equal(d.up.servers, next.servers) || d.up.trustAD != next.trustAD {
		d.up = next
	}
	d.up.checked = now
}

type resolvConf struct {
	servers []string
	trustAD bool
}

// readResolvConf reads what concerns us of a resolv.conf(5), and passes over the rest.
func readResolvConf(r io.Reader) resolvConf {
	var c resolvConf
	lines := bufio.NewScanner(io.LimitReader(r, maxResolvConf))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) < 2:
		case f[0] == "nameserver" && len(c.servers) < maxServers:
			if a, err := netip.ParseAddr(f[1]); err == nil {
				c.servers = append(c.servers, a.String())
			}
		case f[0] == "options":
			c.trustAD = c.trustAD || slices.Contains(f[1:], "trust-ad")
		}
	}
	return c
}

// withPort completes a server's address with port 53 where it has none.
func withPort(server string) string {
	if _, err := netip.ParseAddr(server); err == nil {
		return net.JoinHostPort(server, "53")
	}
	if _, _, err := net.SplitHostPort(server); err != nil {
		return net.JoinHostPort(strings.Trim(server, "[]"), "53")
	}
	return server
}
