package resolve_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/resolve/resolvetest"
)

const wireZone = `
	$TTL 300
	example.test.    SOA ns.example.test. hostmaster.example.test. 1 7200 3600 604800 60
	example.test.    MX  10 mx.example.test.
	example.test.    A   192.0.2.1
	mx.example.test. A   192.0.2.25
`

// wrongID returns a copy of reply with another ID and another address in it.
func wrongID(reply []byte) []byte {
	forged := slices.Clone(reply)
	forged[0] ^= 0xff
	return poison(forged)
}

// wrongQuestion returns a copy of reply to the question for another name.
func wrongQuestion(reply []byte) []byte {
	forged := slices.Clone(reply)
	forged[13] ^= 0x01 // the first letter of the name
	return poison(forged)
}

// notAReply returns a copy of reply without its QR bit.
func notAReply(reply []byte) []byte {
	forged := slices.Clone(reply)
	forged[2] &^= 0x80
	return poison(forged)
}

func poison(reply []byte) []byte {
	if i := strings.Index(string(reply), "\xc0\x00\x02\x01"); i >= 0 { // 192.0.2.1
		copy(reply[i:], "\xcb\x00\x71\x42")
	}
	return reply
}

// A world is a resolver and the server it asks, both in memory.
type world struct {
	zone   *resolvetest.Zone
	server *resolvetest.Server
	dns    *resolve.DNS
}

// inBubble runs f with fake time. The resolver asks one server.
func inBubble(t *testing.T, d *resolve.DNS, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		z := resolvetest.MustZone(wireZone)
		s := resolvetest.NewServer(z)
		f(t, &world{z, s, overMemory(t, s, d)})
	})
}

// networks returns over what the questions came.
func (w *world) networks() string {
	var s []string
	for _, q := range w.server.Queries() {
		s = append(s, q.Network)
	}
	return strings.Join(s, " ")
}

func (w *world) wantA(t *testing.T) {
	t.Helper()
	a, err := w.dns.A(t.Context(), "example.test")
	if err != nil || !slices.Equal(a.Records, []netip.Addr{netip.MustParseAddr("192.0.2.1")}) {
		t.Errorf("records %v, error %v, want 192.0.2.1", a.Records, err)
	}
}

// RFC 5452 §9.1: a reply must match the question.
func TestForgedRepliesArePassedOver(t *testing.T) {
	for name, forge := range map[string]func([]byte) []byte{
		"other ID":       wrongID,
		"other question": wrongQuestion,
		"not a reply":    notAReply,
		"a fragment":     func(b []byte) []byte { return b[:7] },
		"empty":          func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, new(resolve.DNS), func(t *testing.T, w *world) {
				w.server.Tamper = func(_ string, _, reply []byte) [][]byte {
					return [][]byte{forge(reply), reply, forge(reply)}
				}
				w.wantA(t)
				if got := w.networks(); got != "udp" {
					t.Errorf("asked over %s, want once", got)
				}
			})
		})
	}
}

func TestAFloodOfForgedRepliesMovesTheQuestionToTCP(t *testing.T) {
	inBubble(t, new(resolve.DNS), func(t *testing.T, w *world) {
		w.server.Tamper = func(network string, _, reply []byte) [][]byte {
			if network == "tcp" {
				return [][]byte{reply}
			}
			return append(slices.Repeat([][]byte{wrongID(reply)}, 32), poison(reply))
		}
		w.wantA(t)
		if got := w.networks(); got != "udp tcp" {
			t.Errorf("asked over %s", got)
		}
	})
}

// Without the check of the counts this reply would say that there is no MX.
func TestAReplyCutBetweenRecordsIsNoAbsenceOfRecords(t *testing.T) {
	inBubble(t, new(resolve.DNS), func(t *testing.T, w *world) {
		w.server.Tamper = func(_ string, query, reply []byte) [][]byte {
			return [][]byte{reply[:12+len("\x07example\x04test\x00")+4]} // header and question
		}
		_, err := w.dns.MX(t.Context(), "example.test")
		if !resolve.IsTemporary(err) || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("error %v", err)
		}
	})
}

// A record that lacks fields is no record: no MX without a host, no alias of the root.
func TestRecordsWithoutDataAreMalformed(t *testing.T) {
	for typ, rdata := range map[uint16]string{1: "", 5: "", 15: "\x00\x0a", 16: "", 28: "", 52: "\x03\x01"} {
		inBubble(t, new(resolve.DNS), func(t *testing.T, w *world) {
			w.server.Tamper = func(_ string, query, reply []byte) [][]byte {
				hollow := slices.Clone(reply[:12+len("\x07example\x04test\x00")+4])
				binary.BigEndian.PutUint16(hollow[6:], 1)           // ANCOUNT
				binary.BigEndian.PutUint32(hollow[8:], 0)           // NSCOUNT, ARCOUNT
				hollow = append(hollow, 0xc0, 12)                   // the name asked for
				hollow = binary.BigEndian.AppendUint16(hollow, typ) // in class 1 for 60 seconds
				hollow = append(hollow, 0, 1, 0, 0, 0, 60, 0, byte(len(rdata)))
				return [][]byte{append(hollow, rdata...)}
			}
			if a, err := askType(t, w.dns, typ); !resolve.IsTemporary(err) || !strings.Contains(err.Error(), "malformed") {
				t.Errorf("type %d: answer %s, error %v", typ, a, err)
			}
		})
	}
}

// askType asks for example.test by the number of the type, an alias by A.
func askType(t *testing.T, d *resolve.DNS, typ uint16) (string, error) {
	var a any
	var err error
	switch typ {
	case 15:
		a, err = d.MX(t.Context(), "example.test")
	case 16:
		a, err = d.TXT(t.Context(), "example.test")
	case 28:
		a, err = d.AAAA(t.Context(), "example.test")
	case 52:
		a, err = d.TLSA(t.Context(), "example.test")
	default:
		a, err = d.A(t.Context(), "example.test")
	}
	return fmt.Sprint(a), err
}

func TestFaultsOfTheServerAreTemporaryAfterAllTries(t *testing.T) {
	for fault, want := range map[resolvetest.Fault]struct {
		networks string
		took     time.Duration
		text     string
	}{
		resolvetest.ServFail:      {"udp", 0, "SERVFAIL"}, // an answer; asking again brings the same
		resolvetest.Refused:       {"udp", 0, "REFUSED"},
		resolvetest.Referral:      {"udp", 0, "referral"},
		resolvetest.Malformed:     {"udp udp", 0, "malformed"},
		resolvetest.Drop:          {"udp udp", 10 * time.Second, "timeout"},
		resolvetest.WrongID:       {"udp udp", 10 * time.Second, "timeout"},
		resolvetest.WrongQuestion: {"udp udp", 10 * time.Second, "timeout"},
	} {
		t.Run(want.text, func(t *testing.T) {
			inBubble(t, new(resolve.DNS), func(t *testing.T, w *world) {
				w.zone.Fail("example.test", "", fault)
				begun := time.Now()
				_, err := w.dns.MX(t.Context(), "example.test")
				if resolve.KindOf(err) != resolve.Temporary || err == nil || !strings.Contains(err.Error(), want.text) {
					t.Errorf("fault %d: error %v, want %q", fault, err, want.text)
				}
				if got := w.networks(); got != want.networks {
					t.Errorf("fault %d: asked over %s, want %s", fault, got, want.networks)
				}
				if took := time.Since(begun); took != want.took {
					t.Errorf("fault %d: took %v, want %v", fault, took, want.took)
				}
			})
		})
	}
}

func TestTruncatedRepliesComeOverTCP(t *testing.T) {
	inBubble(t, new(resolve.DNS), func(t *testing.T, w *world) {
		w.zone.Fail("example.test", "A", resolvetest.Truncate)
		w.wantA(t)
		if got := w.networks(); got != "udp tcp" {
			t.Errorf("asked over %s", got)
		}
	})
}

// A truncated reply is never used in part.
func TestTruncatedRepliesAreNothingWhenTCPFails(t *testing.T) {
	inBubble(t, new(resolve.DNS), func(t *testing.T, w *world) {
		dial := w.dns.Dial
		w.dns.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if network == "tcp" {
				return nil, errors.New("firewall")
			}
			return dial(ctx, network, address)
		}
		w.server.Tamper = func(_ string, _, reply []byte) [][]byte {
			reply[2] |= 0x02 // TC, with the records still there
			return [][]byte{reply}
		}
		_, err := w.dns.A(t.Context(), "example.test")
		if !resolve.IsTemporary(err) || !strings.Contains(err.Error(), "firewall") {
			t.Errorf("error %v", err)
		}
	})
}

func TestOddRepliesAreTemporaryAndSayWhy(t *testing.T) {
	for want, tamper := range map[string]func(network string, reply []byte) []byte{
		"RCODE 12":           func(_ string, reply []byte) []byte { reply[3] |= 12; return reply },
		"truncated over TCP": func(_ string, reply []byte) []byte { reply[2] |= 0x02; return reply },
		"EOF": func(network string, reply []byte) []byte {
			if network == "tcp" {
				return nil // the connection ends
			}
			reply[2] |= 0x02
			return reply
		},
	} {
		inBubble(t, &resolve.DNS{Tries: 1}, func(t *testing.T, w *world) {
			w.server.Tamper = func(network string, _, reply []byte) [][]byte {
				if b := tamper(network, reply); b != nil {
					return [][]byte{b}
				}
				go w.server.Close()
				return nil
			}
			_, err := w.dns.MX(t.Context(), "example.test")
			if !resolve.IsTemporary(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}

// RFC 6891 §7: FORMERR to a question with EDNS0 means to ask without.
func TestServersWithoutEDNSAreAskedWithout(t *testing.T) {
	inBubble(t, new(resolve.DNS), func(t *testing.T, w *world) {
		w.zone.Fail("example.test", "A", resolvetest.NoEDNS)
		w.wantA(t)
		q := w.server.Queries()
		if len(q) != 2 || !q[0].EDNS || q[1].EDNS {
			t.Errorf("questions %+v, want one with EDNS and one without", q)
		}
	})
}

func TestEachQuestionHasItsOwnID(t *testing.T) {
	inBubble(t, &resolve.DNS{CacheSize: -1}, func(t *testing.T, w *world) {
		ids := make(map[uint16]bool)
		for range 100 {
			w.wantA(t)
		}
		for _, q := range w.server.Queries() {
			ids[q.ID] = true
		}
		if len(ids) < 90 { // all different but for chance
			t.Errorf("%d different IDs in 100 questions", len(ids))
		}
	})
}

func TestTheTimeoutEndsALookupWithAllItsTries(t *testing.T) {
	d := &resolve.DNS{Timeout: 7 * time.Second, TryTimeout: 3 * time.Second, Tries: 100}
	inBubble(t, d, func(t *testing.T, w *world) {
		w.zone.Fail("example.test", "", resolvetest.Drop)
		begun := time.Now()
		_, err := w.dns.MX(t.Context(), "example.test")
		if !resolve.IsTemporary(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if text := err.Error(); !strings.Contains(text, "deadline exceeded; server 192.0.2.53:53: ") || strings.Contains(text, "\n") {
			t.Errorf("error %q does not tell of the tries on one line", text)
		}
		if took := time.Since(begun); took != 7*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestNegativeLimitsMeanNone(t *testing.T) {
	d := &resolve.DNS{Timeout: -1, TryTimeout: -1}
	inBubble(t, d, func(t *testing.T, w *world) {
		w.zone.Delay("example.test", 1000*time.Hour)
		w.wantA(t)
	})
}

// Two servers: the first may fail in any way, the second answers.
func TestTheNextServerIsAskedAndRemembered(t *testing.T) {
	for _, fault := range []resolvetest.Fault{resolvetest.ServFail, resolvetest.Refused, resolvetest.Drop, resolvetest.Malformed, resolvetest.Referral} {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad, good := resolvetest.MustZone(wireZone), resolvetest.MustZone(wireZone)
				bad.Fail("example.test", "", fault)
				bad.Fail("mx.example.test", "", fault)
				servers := map[string]*resolvetest.Server{"192.0.2.1:53": resolvetest.NewServer(bad), "192.0.2.2:5353": resolvetest.NewServer(good)}
				d := closing(t, &resolve.DNS{
					Servers: []string{"192.0.2.1", "192.0.2.2:5353"},
					Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
						return servers[address].Dial(ctx, network, address)
					},
				})
				for _, name := range []string{"example.test", "mx.example.test"} {
					if _, err := d.A(t.Context(), name); err != nil {
						t.Fatal(err)
					}
				}
				if n := len(servers["192.0.2.1:53"].Queries()); n != 1 {
					t.Errorf("the failing server was asked %d times, want once", n)
				}
				for _, s := range servers {
					s.Close()
				}
			})
		})
	}
}

// The next server might not validate: what one disproved must not come from it.
func TestADisprovedAnswerIsNotAskedForElsewhere(t *testing.T) {
	inBubble(t, &resolve.DNS{Servers: []string{"192.0.2.52"}, Tries: 3}, func(t *testing.T, w *world) {
		w.zone.Fail("example.test", "MX", resolvetest.Bogus)
		_, err := w.dns.MX(t.Context(), "example.test")
		if !resolve.IsBogus(err) || !resolve.IsTemporary(err) {
			t.Errorf("error %v", err)
		}
		if got := w.networks(); got != "udp" {
			t.Errorf("asked over %s, want once", got)
		}
	})
}

func TestADeadServerIsLeftAtOnce(t *testing.T) {
	inBubble(t, new(resolve.DNS), func(t *testing.T, w *world) {
		w.server.Close()
		begun := time.Now()
		_, err := w.dns.MX(t.Context(), "example.test")
		if !resolve.IsTemporary(err) || time.Since(begun) != 0 {
			t.Errorf("error %v after %v", err, time.Since(begun))
		}
	})
}

func TestAuthenticOnlyFromTrustedServers(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		inBubble(t, &resolve.DNS{TrustAD: trusted}, func(t *testing.T, w *world) {
			w.zone.SetAuthentic(".", true)
			a, err := w.dns.MX(t.Context(), "example.test")
			_, errNone := w.dns.TXT(t.Context(), "example.test")
			none, _ := errors.AsType[*resolve.Error](errNone)
			if err != nil || a.Authentic != trusted || none == nil || none.Authentic != trusted {
				t.Errorf("TrustAD %t: answer %+v, error %v, absence %+v", trusted, a, err, none)
			}
		})
	}
}

func TestManyAliasesEndTheLookup(t *testing.T) {
	for _, partial := range []bool{false, true} {
		for _, tt := range []struct {
			aliases int
			ok      bool
		}{{12, true}, {13, false}} {
			var zone strings.Builder
			for i := range tt.aliases {
				fmt.Fprintf(&zone, "a%d.test. CNAME a%d.test.\n", i, i+1)
			}
			fmt.Fprintf(&zone, "a%d.test. A 192.0.2.1\n", tt.aliases)
			s := resolvetest.NewServer(resolvetest.MustZone(zone.String()))
			s.Partial = partial
			_, err := overMemory(t, s, new(resolve.DNS)).A(t.Context(), "a0.test")
			if (err == nil) != tt.ok || err != nil && !resolve.IsTemporary(err) {
				t.Errorf("%d aliases, partial %t: error %v", tt.aliases, partial, err)
			}
		}
	}
}

func TestReplySizeIsAskedForAsSet(t *testing.T) {
	for set, want := range map[int]uint16{0: 1232, 1: 512, 512: 512, 4096: 4096, 1 << 20: 65535} {
		inBubble(t, &resolve.DNS{UDPSize: set}, func(t *testing.T, w *world) {
			var size uint16
			w.server.Tamper = func(_ string, query, reply []byte) [][]byte {
				size = binary.BigEndian.Uint16(query[len(query)-8:]) // CLASS of the OPT record that ends the query
				return [][]byte{reply}
			}
			w.wantA(t)
			if size != want {
				t.Errorf("UDPSize %d asked for %d, want %d", set, size, want)
			}
		})
	}
}
