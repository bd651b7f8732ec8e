package imap

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/postrider/postrider/store"
)

// cmdList lists mailboxes.
func (s *session) cmdList() error {
	l, err := s.p.listing()
	if err != nil {
		return err
	}
	if !l.extended && l.patterns[0] == "" {
		// The delimiter and the root, which has no name (I8).
		s.writeList("LIST", []string{`\Noselect`}, "", "")
		return nil
	}
	tree, err := s.tree(s.ctx, l.tellSubscribed)
	if err != nil {
		return err
	}
	tree.sift(&l)
	for _, name := range slices.SortedFunc(maps.Keys(tree), store.CompareNames) {
		if n := tree[name]; n.listed {
			s.writeNode(&l, name, n)
		}
	}
	return nil
}

// A tree is all names that LIST may show: of mailboxes, of those above them, and, if the client asked, of
// subscriptions.
type tree map[string]*node

// A node is what is known of a name.
type node struct {
	info       *store.MailboxInfo // nil if there is no mailbox of that name
	children   bool               // there are mailboxes below
	subscribed bool
	// below says that a name below meets the selection options, beyond that one of them matches no pattern.
	below, beyond bool
	listed        bool
}

// at returns the node of a name, which it makes if need be.
func (t tree) at(name string) *node {
	n := t[name]
	if n == nil {
		n = &node{}
		t[name] = n
	}
	return n
}

// tree returns the names of the account.
func (s *session) tree(ctx context.Context, subscriptions bool) (tree, error) {
	mailboxes, err := s.account.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	t := make(tree, len(mailboxes))
	for i := range mailboxes {
		t.at(mailboxes[i].Name).info = &mailboxes[i]
		for parent := range parents(mailboxes[i].Name) {
			t.at(parent).children = true
		}
	}
	if !subscriptions {
		return t, nil
	}
	names, err := s.account.Subscriptions(ctx)
	for _, name := range names {
		t.at(name).subscribed = true
	}
	return t, err
}

// parents yields the names above a name, the nearest first.
func parents(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			i := strings.LastIndexByte(name, '/')
			if i < 0 || !yield(name[:i]) {
				return
			}
			name = name[:i]
		}
	}
}

// sift marks what the listing asks for.
func (t tree) sift(l *listing) {
	matches := matcher(l)
	for _, name := range slices.Collect(maps.Keys(t)) {
		n := t[name]
		if !l.selects(n) {
			continue
		}
		n.listed = matches(name)
		if !l.recursive {
			continue
		}
		for parent := range parents(name) {
			above := t.at(parent)
			above.below = true
			above.beyond = above.beyond || !n.listed
		}
	}
	if !l.recursive {
		return
	}
	for name, n := range t {
		// Not where the name would tell nothing that those below it do not (RFC 5258 §3.5).
		n.listed = n.listed || n.beyond && matches(name)
	}
}

// selects reports whether a name meets the selection options. Without any, it must be that of a mailbox, or be above one.
func (l *listing) selects(n *node) bool {
	switch {
	case l.subscribed && !n.subscribed:
		return false
	case l.special:
		return n.info != nil && len(n.info.SpecialUse) > 0
	}
	return l.subscribed || n.info != nil || n.children
}

// matcher returns what tells whether a name matches one of the patterns.
func matcher(l *listing) func(name string) bool {
	var patterns []*pattern
	for _, text := range l.patterns {
		if p := newPattern(l.reference, text); p != nil {
			patterns = append(patterns, p)
		}
	}
	return func(name string) bool {
		return slices.ContainsFunc(patterns, func(p *pattern) bool { return p.matches(name) })
	}
}

// writeNode writes the replies for a name.
func (s *session) writeNode(l *listing, name string, n *node) {
	var attrs []string
	switch {
	case n.info == nil && l.extended:
		attrs = append(attrs, `\NonExistent`)
	case n.info == nil:
		attrs = append(attrs, `\Noselect`)
	}
	if n.children {
		attrs = append(attrs, `\HasChildren`)
	} else {
		attrs = append(attrs, `\HasNoChildren`)
	}
	if l.tellSubscribed && n.subscribed {
		attrs = append(attrs, `\Subscribed`)
	}
	if n.info != nil {
		attrs = append(attrs, n.info.SpecialUse...)
	}
	extra := ""
	if n.below {
		extra = ` ("CHILDINFO" ("SUBSCRIBED"))`
	}
	s.writeList("LIST", attrs, name, extra)
	if n.info != nil && len(l.status) > 0 {
		s.writeStatus(name, &n.info.Status, l.status)
	}
}

// writeList writes a LIST or LSUB reply.
func (s *session) writeList(kind string, attrs []string, name, extra string) {
	b := append([]byte("* "+kind+" ("), strings.Join(attrs, " ")...)
	b = append(b, `) "/" `...)
	b = appendMailbox(b, name)
	s.out.Write(append(append(b, extra...), "\r\n"...))
}

// cmdLsub lists names that are subscribed to. Where one does not match but a name above it does, that is listed
// with \Noselect, which here means that it is not subscribed to itself (RFC 3501 §6.3.9).
func (s *session) cmdLsub() error {
	l, err := s.p.lsub()
	if err != nil {
		return err
	}
	names, err := s.account.Subscriptions(s.ctx)
	if err != nil {
		return err
	}
	matches := matcher(&l)
	found := make(map[string]bool) // whether it is subscribed to
	for _, name := range names {
		if matches(name) {
			found[name] = true
			continue
		}
		for parent := range parents(name) {
			if !found[parent] && matches(parent) {
				found[parent] = false
			}
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(found), store.CompareNames) {
		if found[name] {
			s.writeList("LSUB", nil, name, "")
		} else {
			s.writeList("LSUB", []string{`\Noselect`}, name, "")
		}
	}
	return nil
}

// lsub reads the arguments of LSUB.
func (p *parser) lsub() (l listing, err error) {
	if err := p.sp(); err != nil {
		return l, err
	}
	if l.reference, err = p.astring(); err != nil {
		return l, err
	}
	if err := p.sp(); err != nil {
		return l, err
	}
	pattern, err := p.listMailbox()
	if err != nil {
		return l, err
	}
	l.patterns = []string{pattern}
	return l, p.end()
}
