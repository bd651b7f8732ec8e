package resolvetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A Zone is a whole DNS in memory: what its text does not name does not exist. It
// is a resolve.Resolver without a cache, and what a Server serves. All its methods
// may be called by any number of goroutines at once.
type Zone struct {
	mu     sync.Mutex // guards what follows
	nodes  map[string]node
	secure map[string]bool
	faults map[faultKey]Fault
	delays map[string]time.Duration
}

// A node is a name with its records by type; without any it is an empty
// non-terminal, which exists (RFC 8020 §3.1).
type node map[uint16][]dns.RR

type faultKey struct {
	name string
	typ  string // empty for all
}

// ParseZone reads text, a master file of RFC 1035 §5 with these liberties: names
// without a final dot are below the root, $TTL is an hour until set,
// indentation that all lines have in common does not count, and the file may hold
// the data of many zones. SOA records are optional; without one above it, the
// absence of records has no TTL. $INCLUDE is refused, and delegations mean nothing.
func ParseZone(text string) (*Zone, error) {
	z := &Zone{
		secure: make(map[string]bool),
		faults: make(map[faultKey]Fault),
		delays: make(map[string]time.Duration),
	}
	return z, z.Load(text)
}

// MustZone is ParseZone for texts in tests: it panics when text is wrong.
func MustZone(text string) *Zone {
	z, err := ParseZone(text)
	if err != nil {
		panic("resolvetest: " + err.Error())
	}
	return z
}

// Load replaces all records by those of text, and nothing when text is wrong.
// Faults, delays and authenticity stay.
func (z *Zone) Load(text string) error {
	nodes := map[string]node{".": {}}
	p := dns.NewZoneParser(strings.NewReader(defaultTTL(dedent(text))), ".", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if err := addRecord(nodes, rr); err != nil {
			return err
		}
	}
	if err := p.Err(); err != nil {
		return err
	}
	for name, n := range nodes {
		if len(n[dns.TypeCNAME]) > 0 && (len(n) > 1 || len(n[dns.TypeCNAME]) > 1) {
			return fmt.Errorf("%s has a CNAME and other data", name) // RFC 1034 §3.6.2
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.nodes = nodes
	return nil
}

// defaultTTL puts a $TTL before text, on its first line if that is empty, so that
// errors name the right line.
func defaultTTL(text string) string {
	const directive = "$TTL 3600\n"
	return directive + strings.TrimPrefix(text, "\n")
}

// addRecord adds rr in the form in which it would arrive in a message.
func addRecord(nodes map[string]node, rr dns.RR) error {
	wire := make([]byte, dns.Len(rr)+dns.MinMsgSize)
	n, err := dns.PackRR(rr, wire, 0, nil, false)
	if err != nil {
		return fmt.Errorf("%v: %w", rr, err)
	}
	if rr, _, err = dns.UnpackRR(wire[:n], 0); err != nil {
		return fmt.Errorf("%v: %w", rr, err)
	}
	h := rr.Header()
	h.Name = dns.CanonicalName(h.Name)
	for name := h.Name; ; {
		if nodes[name] == nil {
			nodes[name] = make(node)
		}
		next, end := dns.NextLabel(name, 0)
		if end {
			break
		}
		name = name[next:]
	}
	nodes[h.Name][h.Rrtype] = append(nodes[h.Name][h.Rrtype], rr)
	return nil
}

// dedent takes from each line the white space that all lines begin with.
func dedent(text string) string {
	lines := strings.Split(text, "\n")
	common, found := "", false
	for _, line := range lines {
		rest := strings.TrimLeft(line, " \t")
		if rest == "" {
			continue
		}
		indent := line[:len(line)-len(rest)]
		if !found {
			common, found = indent, true
		}
		for !strings.HasPrefix(indent, common) {
			common = common[:len(common)-1]
		}
	}
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, common)
	}
	return strings.Join(lines, "\n")
}

// SetAuthentic says whether answers about name and all below it are authentic.
// The setting closest to a name counts. Without any, answers are not.
func (z *Zone) SetAuthentic(name string, authentic bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.secure[mustName(name)] = authentic
}

// Fail makes questions for name and record type typ, such as "MX", end in f. An
// empty typ means all types; f of zero takes the fault back.
func (z *Zone) Fail(name, typ string, f Fault) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.faults[faultKey{mustName(name), typ}] = f
}

// Delay makes each answer about name come after d.
func (z *Zone) Delay(name string, d time.Duration) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.delays[mustName(name)] = d
}

// mustName panics when a test names what cannot be a name.
func mustName(name string) string {
	c, ok := canonicalName(name)
	if !ok {
		panic("resolvetest: not a domain name: " + name)
	}
	return c
}

// canonicalName returns name in lower case, with its final dot and escaped as a
// message would have it.
func canonicalName(name string) (string, bool) {
	for i := 0; i < len(name); i++ {
		blank := name[i] == ' ' && (i == 0 || name[i-1] != '\\')
		if blank || name[i] < ' ' || name[i] > '~' {
			return "", false
		}
	}
	var wire [255]byte
	n, err := dns.PackDomainName(dns.Fqdn(name), wire[:], 0, nil, false)
	if _, ok := dns.IsDomainName(name); !ok || err != nil {
		return "", false
	}
	name, _, err = dns.UnpackDomainName(wire[:n], 0)
	return dns.CanonicalName(name), err == nil
}
