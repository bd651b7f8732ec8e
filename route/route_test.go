package route_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/route"
)

// people is a Directory whose accounts are named like their addresses.
type people []string

func (p people) Resolve(_ context.Context, a postrider.Address) (string, error) {
	for _, name := range p {
		if strings.EqualFold(name, a.Local) && postrider.CanonicalDomain(a.Domain) == "example.org" {
			return name, nil
		}
	}
	switch a.Local {
	case "former":
		return "", account.ErrDisabled
	case "shaky":
		return "", errors.New("database is down")
	}
	return "", account.ErrNotExist
}

func (p people) Verify(context.Context, string, string) (string, error) {
	return "", account.ErrCredentials
}

func addr(s string) postrider.Address {
	a, err := postrider.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

func rcpt(s string) postrider.Recipient { return postrider.Recipient{ForwardPath: addr(s)} }

// office is the router that most installations have.
func office() route.Router {
	key := func(s string) postrider.Address { return route.AliasKey(addr(s)) }
	aliases := map[postrider.Address][]postrider.Address{
		key("sales@example.org"):  {addr("ann@example.org"), addr("bob@example.org")},
		key("all@example.org"):    {addr("sales@example.org"), addr("ann@example.org"), addr("eve@elsewhere.example")},
		key("bob@example.org"):    {addr("bob@example.org"), addr("bob@elsewhere.example")},
		key("ping@example.org"):   {addr("pong@example.org")},
		key("pong@example.org"):   {addr("ping@example.org")},
		key("broken@example.org"): {addr("ann@example.org"), addr("shaky@example.org")},
		key("half@example.org"):   {addr("ann@example.org"), addr("former@example.org")},
	}
	directory := people{"ann", "bob"}
	return route.First(
		route.Domains([]string{"example.org", "BÜCHER.example"},
			route.Aliases(aliases),
			route.Subaddress("+", route.Accounts(directory)),
			route.CatchAll("bücher.example", addr("ann@example.org")),
			route.Postmaster(addr("ann@example.org")),
		),
		route.RelayAuthenticated(),
	)
}

// stranger is a mail from port 25.
func stranger() *route.Mail {
	return &route.Mail{ID: "1", Remote: netip.MustParseAddr("192.0.2.1"), Envelope: &postrider.Envelope{ReversePath: addr("x@y.example")}}
}

// outcome prints decisions as "kind address or account [via]" in order.
func outcome(ds []route.Decision) string {
	var out []string
	for _, d := range ds {
		switch a := d.Action; a.Kind {
		case route.KindDeliver:
			out = append(out, "deliver "+a.Account)
		case route.KindReject, route.KindDefer:
			out = append(out, fmt.Sprintf("%s %s", a.Kind, a.Status.Code))
		default:
			out = append(out, fmt.Sprintf("%s %s", a.Kind, d.Recipient.ForwardPath))
		}
	}
	return strings.Join(out, ", ")
}

func TestAnOfficeRoutes(t *testing.T) {
	ann := stranger()
	ann.Account = "ann"
	report := &route.Mail{ID: "2", Envelope: &postrider.Envelope{}} // of our own, from the null path
	for _, tt := range []struct {
		why  string
		mail *route.Mail
		to   string
		want string
	}{
		{"an account", stranger(), "ann@example.org", "deliver ann"},
		{"an account in another case", stranger(), "ANN@Example.ORG", "deliver ann"},
		{"a subaddress", stranger(), "ann+lists@example.org", "deliver ann"},
		{"a subaddress of nobody", stranger(), "zoe+lists@example.org", "reject 5.1.1"},
		{"a local part that begins with the separator", stranger(), "+lists@example.org", "reject 5.1.1"},
		{"nobody", stranger(), "zoe@example.org", "reject 5.1.1"},
		{"a disabled account", stranger(), "former@example.org", "reject 5.2.1"},
		{"a directory that is down", stranger(), "shaky@example.org", "defer 4.3.0"},
		{"an alias of two", stranger(), "Sales@example.org", "deliver ann, deliver bob, relay bob@elsewhere.example"},
		{"an alias of aliases, each destination once", stranger(), "all@example.org", "deliver ann, deliver bob, relay bob@elsewhere.example, relay eve@elsewhere.example"},
		{"an alias that keeps a copy", stranger(), "bob@example.org", "deliver bob, relay bob@elsewhere.example"},
		{"a loop", stranger(), "ping@example.org", "reject 5.1.1"},
		{"an alias with one shaky member", stranger(), "broken@example.org", "defer 4.3.0"},
		{"an alias with one member that is gone", stranger(), "half@example.org", "deliver ann, reject 5.2.1"},
		{"a catch-all, at an internationalised domain", stranger(), "anybody@bücher.example", "deliver ann"},
		{"the same in A-labels", stranger(), "anybody@xn--bcher-kva.example", "deliver ann"},
		{"postmaster (S8)", stranger(), "PostMaster@example.org", "deliver ann"},
		{"a stranger who wants to relay", stranger(), "eve@elsewhere.example", "reject 5.7.1"},
		{"a stranger who wants to relay to an address literal", stranger(), "eve@[192.0.2.9]", "reject 5.7.1"},
		{"a subdomain of ours", stranger(), "ann@sub.example.org", "reject 5.7.1"},
		{"somebody who logged in", ann, "eve@elsewhere.example", "relay eve@elsewhere.example"},
		{"a DSN of ours", report, "eve@elsewhere.example", "relay eve@elsewhere.example"},
	} {
		got := outcome(route.Resolve(t.Context(), office(), tt.mail, rcpt(tt.to)))
		if got != tt.want {
			t.Errorf("%s: mail for %s: %s; want %s", tt.why, tt.to, got, tt.want)
		}
	}
}

func TestARouterThatSaysNothingRelaysNothing(t *testing.T) {
	m := stranger()
	m.Account = "ann"
	if got := outcome(route.Resolve(t.Context(), route.First(), m, rcpt("eve@elsewhere.example"))); got != "reject 5.7.1" {
		t.Errorf("got %s", got)
	}
}

func TestARuleThatGoesWrongDefers(t *testing.T) {
	for name, rule := range map[string]route.Func{
		"fails": func(context.Context, *route.Mail, postrider.Recipient) (route.Verdict, error) {
			return route.Deliver("ann"), errors.New("no")
		},
		"panics": func(context.Context, *route.Mail, postrider.Recipient) (route.Verdict, error) { panic("no") },
		"redirects without an end": func(_ context.Context, _ *route.Mail, r postrider.Recipient) (route.Verdict, error) {
			r.ForwardPath.Local += "x"
			return route.Redirect(r.ForwardPath), nil
		},
		"redirects to too many": func(_ context.Context, m *route.Mail, r postrider.Recipient) (route.Verdict, error) {
			if len(m.RedirectedFrom) > 0 {
				return route.Relay(""), nil
			}
			var many []postrider.Address
			for i := range route.MaxDecisions + 1 {
				many = append(many, addr(fmt.Sprintf("u%d@example.org", i)))
			}
			return route.Redirect(many...), nil
		},
		"says defer beside deliver": func(context.Context, *route.Mail, postrider.Recipient) (route.Verdict, error) {
			return append(route.Deliver("ann"), route.Defer("4.2.1", "later")...), nil
		},
	} {
		ds := route.Resolve(t.Context(), rule, stranger(), rcpt("ann@example.org"))
		if d, ok := route.Deferred(ds); !ok || d.Action.Status.Permanent() {
			t.Errorf("a rule that %s: %s", name, outcome(ds))
		}
	}
}

func TestLimitsOfOneRecipient(t *testing.T) {
	// MaxDecisions and MaxRedirects themselves are allowed.
	many := route.Func(func(_ context.Context, m *route.Mail, r postrider.Recipient) (route.Verdict, error) {
		switch len(m.RedirectedFrom) {
		case route.MaxRedirects:
			return route.Relay(""), nil
		case route.MaxRedirects - 1:
			var all []postrider.Address
			for i := range route.MaxDecisions {
				all = append(all, addr(fmt.Sprintf("u%d@example.org", i)))
			}
			return route.Redirect(all...), nil
		}
		r.ForwardPath.Local += "x"
		return route.Redirect(r.ForwardPath), nil
	})
	ds := route.Resolve(t.Context(), many, stranger(), rcpt("ann@example.org"))
	if len(ds) != route.MaxDecisions {
		t.Errorf("%d decisions, want %d: %.80s", len(ds), route.MaxDecisions, outcome(ds))
	}
}

func TestARuleOutOfTimeDefers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := route.Func(func(ctx context.Context, _ *route.Mail, _ postrider.Recipient) (route.Verdict, error) {
			<-ctx.Done()
			return route.Deliver("ann"), nil
		})
		start := time.Now()
		ds := route.Resolve(t.Context(), slow, stranger(), rcpt("ann@example.org"))
		if _, ok := route.Deferred(ds); !ok || time.Since(start) != route.DefaultTimeout {
			t.Errorf("after %v: %s", time.Since(start), outcome(ds))
		}
	})
}

func TestARuleMayRefuseByError(t *testing.T) {
	rule := route.Func(func(context.Context, *route.Mail, postrider.Recipient) (route.Verdict, error) {
		return nil, &postrider.Status{Code: "5.7.1", Text: "not from you"}
	})
	if d, ok := route.Rejected(route.Resolve(t.Context(), rule, stranger(), rcpt("ann@example.org"))); !ok || d.Action.Status.Text != "not from you" {
		t.Errorf("got %+v", d)
	}
}

func TestARedirectToItselfOnlyIsALoop(t *testing.T) {
	rule := route.Func(func(_ context.Context, _ *route.Mail, r postrider.Recipient) (route.Verdict, error) {
		return route.Redirect(r.ForwardPath), nil
	})
	if got := outcome(route.Resolve(t.Context(), rule, stranger(), rcpt("ann@example.org"))); got != "reject 5.4.6" {
		t.Errorf("got %s", got)
	}
}

func TestVerdictsAreData(t *testing.T) {
	for _, v := range []route.Verdict{
		route.Deliver("ann", `\Flagged`),
		route.DeliverTo("ann", "Lists/Go").By("lists"),
		route.Relay("[192.0.2.1]:2525"),
		route.Redirect(addr("b@example.org"), addr(`"a b"@example.org`), addr("用户@例え.jp")),
		route.Reject("5.7.1", "no"),
		route.Defer("4.2.1", "later"),
		append(route.Handle("tickets"), route.Quarantine("ann")...),
		route.Discard(),
		route.Hold(),
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back route.Verdict
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, v) {
			t.Errorf("%s comes back as %+v, %v", text, back, err)
		}
	}
}
