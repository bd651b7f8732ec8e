package store

import (
	"context"
	"io"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
)

// cost is how much must be read of a message to decide a key.
type cost int

const (
	costFlags   cost = iota // what every Scan yields
	costSummary             // FieldSummary
	costHeader              // the header's octets
	costBody                // the whole message
)

// verdict is what is known of a key and a message.
type verdict int8

const (
	unknown verdict = iota
	no
	yes
)

func verdictOf(match bool) verdict {
	if match {
		return yes
	}
	return no
}

// A plan is a Query made ready to be tried on one message after the other.
type plan struct {
	root   *node
	leaves [costBody + 1][]*node // the keys, by cost
	texts  []*needle             // of KeyText
	bodies []*needle             // of KeyBody and KeyText
	text   *textSearch
}

func newPlan(q *Query) *plan {
	p := &plan{}
	p.root = p.compile(q)
	longest := 0
	for _, n := range p.bodies {
		longest = max(longest, len(n.text))
	}
	p.text = newTextSearch(longest)
	return p
}

// A node is a Query in a plan.
type node struct {
	*Query
	args  []*node
	known verdict // of a key, for the message at hand
	// For keys with a text:
	needle needle
	field  string // Field in lower case
}

// compile adds q to the plan.
func (p *plan) compile(q *Query) *node {
	n := &node{Query: q}
	if q.Text == "" && (q.Key == KeyBody || q.Key == KeyText) {
		n.Query = &Query{} // all messages
		return n
	}
	if q.Key <= KeyNot {
		for i := range q.Args {
			n.args = append(n.args, p.compile(&q.Args[i]))
		}
		return n
	}
	n.needle.text = casemap(q.Text)
	n.field = strings.ToLower(q.Field)
	switch q.Key {
	case KeyText:
		p.texts = append(p.texts, &n.needle)
		p.bodies = append(p.bodies, &n.needle)
	case KeyBody:
		p.bodies = append(p.bodies, &n.needle)
	}
	c := n.cost()
	p.leaves[c] = append(p.leaves[c], n)
	return n
}

// has reports whether a key has that cost.
func (p *plan) has(c cost) bool { return len(p.leaves[c]) > 0 }

// isCheap reports whether no key costs more than a Scan does anyway.
func (p *plan) isCheap() bool {
	return !p.has(costSummary) && !p.has(costHeader) && !p.has(costBody)
}

// wantsHeader reports whether a key looks into the header.
func (p *plan) wantsHeader() bool { return p.has(costHeader) || len(p.texts) > 0 }

// cost returns what a key costs.
func (n *node) cost() cost {
	switch n.Key {
	case KeySentBefore, KeySentOn, KeySentSince:
		return costSummary
	case KeyHeader:
		if _, ok := envelopeFields[n.field]; ok && n.Text != "" {
			return costSummary
		}
		return costHeader
	case KeyBody, KeyText:
		return costBody
	}
	return costFlags
}

// reset forgets the message at hand.
func (p *plan) reset() {
	for _, leaves := range p.leaves {
		for _, n := range leaves {
			n.known, n.needle.found = unknown, false
		}
	}
}

// verdict returns what is known of the message at hand.
func (n *node) verdict() verdict {
	switch n.Key {
	case KeyAnd:
		return n.join(yes, no)
	case KeyOr:
		return n.join(no, yes)
	case KeyNot:
		return [...]verdict{unknown: unknown, yes: no, no: yes}[n.args[0].verdict()]
	}
	return n.known
}

// join returns decisive if one of the args is that, neutral if all are.
func (n *node) join(neutral, decisive verdict) verdict {
	v := neutral
	for _, arg := range n.args {
		switch arg.verdict() {
		case decisive:
			return decisive
		case unknown:
			v = unknown
		}
	}
	return v
}

// lookAtFlags decides the keys of costFlags.
func (p *plan) lookAtFlags(msg *Message) {
	for _, n := range p.leaves[costFlags] {
		n.known = verdictOf(n.matchesFlags(msg))
	}
}

func (n *node) matchesFlags(msg *Message) bool {
	switch n.Key {
	case KeyUIDs:
		return n.UIDs.Contains(msg.UID)
	case KeyFlag:
		return HasFlag(msg.Flags, n.Flag)
	case KeyLarger:
		return msg.Size > n.Size
	case KeySmaller:
		return msg.Size < n.Size
	}
	day := DateOf(msg.InternalDate).Compare(n.Date)
	switch n.Key {
	case KeyBefore:
		return day < 0
	case KeyOn:
		return day == 0
	}
	return day >= 0
}

// lookAtSummary decides the keys of costSummary.
func (p *plan) lookAtSummary(sum *message.Summary) {
	for _, n := range p.leaves[costSummary] {
		n.known = verdictOf(p.matchesSummary(n, &sum.Envelope))
	}
}

func (p *plan) matchesSummary(n *node, e *message.Envelope) bool {
	if n.Key == KeyHeader {
		p.text.start(&n.needle)
		p.text.add(envelopeFields[n.field](e))
		return n.needle.found
	}
	sent, err := message.ParseDate(e.Date)
	if err != nil {
		return false
	}
	day := DateOf(sent).Compare(n.Date)
	switch n.Key {
	case KeySentBefore:
		return day < 0
	case KeySentOn:
		return day == 0
	}
	return day >= 0
}

// envelopeFields are the fields of which the envelope tells all that a search may want, and
// how to get at their text.
var envelopeFields = map[string]func(*message.Envelope) string{
	"subject":     func(e *message.Envelope) string { return message.DecodeHeader(e.Subject) },
	"message-id":  func(e *message.Envelope) string { return e.MessageID },
	"in-reply-to": func(e *message.Envelope) string { return e.InReplyTo },
	"from":        func(e *message.Envelope) string { return addressText(e.From) },
	"to":          func(e *message.Envelope) string { return addressText(e.To) },
	"cc":          func(e *message.Envelope) string { return addressText(e.Cc) },
	"bcc":         func(e *message.Envelope) string { return addressText(e.Bcc) },
}

// addressText returns addresses as a field has them, names decoded.
func addressText(list []message.Address) string {
	var b strings.Builder
	for i, a := range list {
		switch a.Group {
		case message.GroupStart:
			b.WriteString(message.DecodeHeader(a.Mailbox) + ": ")
			continue
		case message.GroupEnd:
			b.WriteString("; ")
			continue
		}
		if i > 0 && list[i-1].Group == message.NoGroup {
			b.WriteString(", ")
		}
		if a.Name != "" {
			b.WriteString(message.DecodeHeader(a.Name) + " ")
		}
		b.WriteString("<" + a.Mailbox)
		if a.Host != "" {
			b.WriteString("@" + a.Host)
		}
		b.WriteString(">")
	}
	return b.String()
}

// lookAtHeader decides the keys of costHeader, and those of KeyText whose text is in the
// header.
func (p *plan) lookAtHeader(header []byte) {
	for f := range message.Fields(header) {
		value := message.DecodeHeader(f.Value())
		for _, n := range p.leaves[costHeader] {
			if f.Is(n.field) {
				p.text.start(&n.needle)
				p.text.add(value)
			}
		}
		p.lookAtField(f.Name, value, p.texts)
	}
	for _, n := range p.leaves[costHeader] {
		n.known = verdictOf(n.needle.found)
	}
	p.noteFound()
}

// lookAtField looks for needles in a header field.
func (p *plan) lookAtField(name, value string, needles []*needle) {
	if p.text.start(needles...); p.text.done() {
		return
	}
	if name != "" {
		value = name + ": " + value
	}
	p.text.add(value)
}

// noteFound decides the keys of costBody whose text was found.
func (p *plan) noteFound() {
	for _, n := range p.leaves[costBody] {
		if n.needle.found {
			n.known = yes
		}
	}
}

// lookAtBody decides the keys of costBody, or as many of them as it takes.
func (p *plan) lookAtBody(ctx context.Context, c postrider.Content, structure *message.Part) error {
	if err := p.lookInside(ctx, c, structure); err != nil || p.root.verdict() != unknown {
		return err
	}
	for _, n := range p.leaves[costBody] {
		n.known = verdictOf(n.needle.found)
	}
	return nil
}

// lookInside looks at a part's body and at the parts in it, until that decides.
func (p *plan) lookInside(ctx context.Context, c postrider.Content, part *message.Part) error {
	if part.Type == "text" {
		if p.text.start(p.bodies...); !p.text.done() {
			err := p.text.read(contextReader{ctx, part.Text(c)})
			p.noteFound()
			return err
		}
	}
	if part.Message != nil {
		return p.lookAtPart(ctx, c, part.Message, p.bodies)
	}
	for _, inner := range part.Parts {
		if err := p.lookAtPart(ctx, c, inner, p.texts); err != nil || p.root.verdict() != unknown {
			return err
		}
	}
	return nil
}

// lookAtPart looks for needles in the header of a part, and inside.
func (p *plan) lookAtPart(ctx context.Context, c postrider.Content, part *message.Part, needles []*needle) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(needles) > 0 {
		for f, err := range part.Fields(c) {
			if err != nil {
				return err
			}
			p.lookAtField(f.Name, message.DecodeHeader(f.Value()), needles)
		}
		p.noteFound()
	}
	return p.lookInside(ctx, c, part)
}

// contextReader is a reader that stops when the context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
