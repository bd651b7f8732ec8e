package relay

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/smtp"
)

// FuzzParseHop holds what a next hop is taken for: exactly one of domain, host and address, whichever octets a router put there, and the
// same again when written as it was understood.
func FuzzParseHop(f *testing.F) {
	for _, s := range []string{
		"", "example.org", "EXAMPLE.org.", "[192.0.2.1]", "[IPv6:2001:db8::1]:25", "[2001:db8::1]", "[mx.example.org]:587",
		"[mx.example.org", "[]", "[]:25", "[a]b]:25", "[x400:c=de]", "[fe80::1%eth0]:25", "[bücher.example]:25", "]", "[::ffff:192.0.2.1]:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := &Transport{}
		h, err := out.parseHop(s)
		if err != nil {
			return
		}
		ways := 0
		again := h.domain
		if h.domain != "" || s == "" || h.host == "" && !h.addr.IsValid() {
			ways++
		}
		if h.host != "" {
			ways++
			again = "[" + h.host + "]:" + strconv.Itoa(int(h.port))
			if postrider.CheckDomain(h.host) != nil {
				t.Errorf("%q: host %q", s, h.host)
			}
		}
		if h.addr.IsValid() {
			ways++
			again = netip.AddrPortFrom(h.addr, h.port).String()
			if h.addr.Is4() {
				again = literal(h.addr) + ":" + strconv.Itoa(int(h.port))
			}
		}
		if ways != 1 || h.port == 0 {
			t.Errorf("%q is %+v", s, h)
		}
		if h2, err := out.parseHop(again); err != nil || h2 != h {
			t.Errorf("%q is %+v, but %q is %+v, %v", s, h, again, h2, err)
		}
	})
}

// Whatever the stage, after the final dot nobody knows: also where the dot left in pieces, of which the last failed.
func TestAnAmbiguousErrorIsSoAtEveryStage(t *testing.T) {
	for _, stage := range []smtp.Stage{smtp.StageData, smtp.StageFinal} {
		err := &smtp.ClientError{Stage: stage, Status: &postrider.Status{Code: "4.4.2"}, Ambiguous: true}
		if got := verdictOf(err); got != ambiguous {
			t.Errorf("%s: %d", stage, got)
		}
	}
}

// The reply to the message becomes a Status whose text is the server's.
func TestAcceptance(t *testing.T) {
	for reply, want := range map[string]postrider.Status{
		"250 2.0.0 Ok: queued as 4711":     {Code: "2.0.0", Reply: 250, Text: "Ok: queued as 4711"},
		"250 OK id=1a2b":                   {Code: "2.0.0", Reply: 250, Text: "OK id=1a2b"},
		"250":                              {Code: "2.0.0", Reply: 250},
		"250-2.6.0 first\n250 2.6.0 last":  {Code: "2.6.0", Reply: 250, Text: "first\nlast"},
		"250 5.1.1 a code of another kind": {Code: "2.0.0", Reply: 250, Text: "5.1.1 a code of another kind"},
		"250 2.x.y no code":                {Code: "2.0.0", Reply: 250, Text: "2.x.y no code"},
	} {
		if got := acceptance(reply); *got != want {
			t.Errorf("%q is %+v, want %+v", reply, *got, want)
		}
	}
}
