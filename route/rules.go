package route

import (
	"context"
	"errors"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
)

// First asks the routers in turn and takes the first verdict that is not empty. An
// error ends the asking.
func First(routers ...Router) Router {
	return Func(func(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error) {
		for _, router := range routers {
			if v, err := router.Route(ctx, m, r); err != nil || len(v) > 0 {
				return v, err
			}
		}
		return nil, nil
	})
}

// Always returns the same verdict for everybody.
func Always(v Verdict) Router {
	return Func(func(context.Context, *Mail, postrider.Recipient) (Verdict, error) { return v, nil })
}

// Domains serves domains: a recipient in one of them is asked of the routers in turn, and
// rejected with 5.1.1 if none has anything to say. For recipients elsewhere it has nothing to
// say. Domains are compared by [postrider.CanonicalDomain]; address literals can be among them.
func Domains(domains []string, routers ...Router) Router {
	served := make(map[string]bool, len(domains))
	for _, d := range domains {
		served[postrider.CanonicalDomain(d)] = true
	}
	router := First(append(routers, Always(Reject("5.1.1", "no such recipient here").By("domains")))...)
	return Func(func(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error) {
		if !served[postrider.CanonicalDomain(r.ForwardPath.Domain)] {
			return nil, nil
		}
		return router.Route(ctx, m, r)
	})
}

// Accounts delivers to the INBOX of the account to which the address belongs.
func Accounts(d account.Directory) Router {
	return Func(func(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error) {
		name, err := d.Resolve(ctx, r.ForwardPath)
		switch {
		case errors.Is(err, account.ErrNotExist):
			return nil, nil
		case errors.Is(err, account.ErrDisabled):
			return Reject("5.2.1", "mailbox disabled").By("accounts"), nil
		case err != nil:
			return nil, err
		}
		return Deliver(name).By("accounts"), nil
	})
}

// Aliases redirects by a table. The keys are addresses in the form of [AliasKey]; the
// values are what a key stands for. An alias may name itself among others: that copy then goes
// on to the routers that follow.
func Aliases(table map[postrider.Address][]postrider.Address) Router {
	return Func(func(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error) {
		return Redirect(aliasTargets(table, m, r)...).nonEmpty().By("aliases"), nil
	})
}

// AliasKey returns the form in which an address is looked up in tables of ours: the canonical domain, and
// the local part in lower case, for the owner of these domains is us and our local parts are the same in
// any case.
func AliasKey(a postrider.Address) postrider.Address {
	a = a.Canonical()
	a.Local = strings.ToLower(a.Local)
	return a
}

// aliasTargets returns what the recipient stands for, nothing if the alias led here already.
func aliasTargets(table map[postrider.Address][]postrider.Address, m *Mail, r postrider.Recipient) []postrider.Address {
	key := AliasKey(r.ForwardPath)
	for _, from := range m.RedirectedFrom {
		if AliasKey(from) == key {
			return nil
		}
	}
	return table[key]
}

// nonEmpty makes a Redirect to nobody an empty verdict.
func (v Verdict) nonEmpty() Verdict {
	if len(v) == 1 && v[0].Kind == KindRedirect && len(v[0].To) == 0 {
		return nil
	}
	return v
}

// CatchAll redirects every recipient of the domain to one address. It belongs behind the rules for
// those that exist.
func CatchAll(domain string, to postrider.Address) Router {
	domain = postrider.CanonicalDomain(domain)
	return Func(func(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error) {
		if postrider.CanonicalDomain(r.ForwardPath.Domain) != domain || AliasKey(r.ForwardPath) == AliasKey(to) {
			return nil, nil
		}
		return Redirect(to).By("catch-all"), nil
	})
}

// Subaddress asks the router about the recipient, and where it has nothing to say, about the recipient
// without what follows the first separator in its local part: ann+lists@ becomes ann@ (RFC 5233).
// The separators are single octets such as "+" or "+-". A local part that begins with one is left alone.
func Subaddress(separators string, router Router) Router {
	return Func(func(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error) {
		v, err := router.Route(ctx, m, r)
		if err != nil || len(v) > 0 {
			return v, err
		}
		i := strings.IndexAny(r.ForwardPath.Local, separators)
		if i <= 0 {
			return nil, nil
		}
		r.ForwardPath.Local = r.ForwardPath.Local[:i]
		return router.Route(ctx, m, r)
	})
}

// Postmaster redirects postmaster at every domain it is asked about, in any case, to one
// address, as RFC 5321 §4.5.1 wants it answered. It belongs into [Domains], behind the rules for those that
// exist.
func Postmaster(to postrider.Address) Router {
	return Func(func(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error) {
		if !strings.EqualFold(r.ForwardPath.Local, "postmaster") || AliasKey(r.ForwardPath) == AliasKey(to) {
			return nil, nil
		}
		return Redirect(to).By("postmaster"), nil
	})
}

// RelayAuthenticated relays by MX for whoever logged in, for what a redirection of ours sends out, and for
// mail of our own (a DSN). Everybody else is rejected: with it as the last rule, a server is never an
// open relay.
func RelayAuthenticated() Router {
	return Func(func(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error) {
		if m.Account != "" || len(m.RedirectedFrom) > 0 || !m.Remote.IsValid() {
			return Relay("").By("relay-authenticated"), nil
		}
		return Reject("5.7.1", "relaying denied: log in first").By("relay-authenticated"), nil
	})
}
