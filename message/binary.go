package message

import (
	"encoding"
	"encoding/binary"
	"errors"
	"slices"
)

// The binary form of a Summary, version 1. Numbers are unsigned varints (package
// encoding/binary); a string is its length times two and its octets, or an index
// into dictionary times two plus one.
//
//	summary   = version envelope-octets envelope counts size preview references part
//	envelope  = flags addresses date subject in-reply-to message-id
//	            from [sender] [reply-to] to cc bcc
//	counts    = parts params strings envelopes
//
// The counts let a reader allocate all at once; they are believed only as far as
// the octets that follow could bear them out.
const binaryVersion = 1

// ErrCorrupt is returned for octets that no Summary.AppendBinary wrote.
var ErrCorrupt = errors.New("message: not a summary")

var errSummary = errors.New("message: offsets of the summary do not fit together")

var (
	_ encoding.BinaryAppender    = (*Summary)(nil)
	_ encoding.BinaryUnmarshaler = (*Summary)(nil)
)

// Flags of an envelope, beside EmptyFields.
const (
	senderIsFrom  = 1 << 4
	replyToIsFrom = 1 << 5
)

// Flags of an address, beside Group.
const (
	withName  = 1 << 2
	withRoute = 1 << 3
	withHost  = 1 << 4
)

// Flags of a part.
const (
	withParams = 1 << iota
	withID
	withDescription
	withMD5
	withDisposition
	withLanguage
	withLocation
	withParts
	withMessage
)

// dictionary has the strings that most messages repeat. Its order is part of
// the version.
var dictionary = []string{
	"text", "plain", "html", "7bit", "8bit", "base64", "quoted-printable", "binary",
	"charset", "us-ascii", "utf-8", "UTF-8", "iso-8859-1", "US-ASCII", "ISO-8859-1", "windows-1252",
	"multipart", "mixed", "alternative", "related", "report", "signed", "digest", "boundary",
	"application", "octet-stream", "pdf", "image", "jpeg", "png", "gif", "name",
	"message", "rfc822", "delivery-status", "attachment", "inline", "filename", "format", "flowed",
	"delsp", "yes", "type", "text/html", "report-type", "micalg", "protocol", "size",
}

var dictionaryIndex = func() map[string]int {
	m := make(map[string]int, len(dictionary))
	for i, s := range dictionary {
		m[s] = i
	}
	return m
}()

// AppendBinary appends the binary form of s to b, for a store to keep with the
// message. The error is for a Summary made by hand whose offsets are impossible.
func (s *Summary) AppendBinary(b []byte) ([]byte, error) {
	root := s.Structure
	if root == nil {
		root = &Part{BodyStart: s.HeaderSize, End: s.Size}
	}
	if root.HeaderStart != 0 || root.End != s.Size || root.BodyStart != s.HeaderSize {
		return b, errSummary
	}
	w := writer{b: append(b, binaryVersion)}
	env := writer{}
	env.envelope(&s.Envelope)
	w.num(len(env.b))
	w.b = append(w.b, env.b...)

	var counts [4]int
	countParts(root, &counts)
	counts[2] += len(s.References)
	for _, n := range counts {
		w.num(n)
	}
	w.num64(s.Size)
	w.str(s.Preview)
	w.num(len(s.References))
	for _, id := range s.References {
		w.str(id)
	}
	w.part(root, 0, s.Size)
	if w.bad {
		return b, errSummary
	}
	return w.b, nil
}

// countParts adds up parts, params, strings in lists, and envelopes.
func countParts(p *Part, n *[4]int) {
	for p := range p.All() {
		n[0]++
		n[1] += len(p.Params) + len(p.DispositionParams)
		n[2] += len(p.Language)
		if p.Message != nil {
			n[3]++
		}
	}
}

type writer struct {
	b   []byte
	bad bool // an offset was out of order
}

func (w *writer) num(n int) { w.num64(int64(n)) }

func (w *writer) num64(n int64) {
	w.bad = w.bad || n < 0
	w.b = binary.AppendUvarint(w.b, uint64(n))
}

func (w *writer) str(s string) {
	if len(s) > 0 && len(s) <= len("quoted-printable") {
		if i, ok := dictionaryIndex[s]; ok {
			w.num(i<<1 | 1)
			return
		}
	}
	w.num(len(s) << 1)
	w.b = append(w.b, s...)
}

func (w *writer) envelope(e *Envelope) {
	flags := e.Empty & allEmpty
	if slices.Equal(e.Sender, e.From) {
		flags |= senderIsFrom
	}
	if slices.Equal(e.ReplyTo, e.From) {
		flags |= replyToIsFrom
	}
	w.b = append(w.b, byte(flags))
	lists := e.lists(flags)
	total := 0
	for _, l := range lists {
		total += len(*l)
	}
	w.num(total)
	for _, s := range []string{e.Date, e.Subject, e.InReplyTo, e.MessageID} {
		w.str(s)
	}
	for _, l := range lists {
		w.num(len(*l))
		for i := range *l {
			w.address(&(*l)[i])
		}
	}
}

// lists returns the address lists that are written, in order.
func (e *Envelope) lists(flags EmptyFields) []*[]Address {
	lists := []*[]Address{&e.From, &e.Sender, &e.ReplyTo, &e.To, &e.Cc, &e.Bcc}
	if flags&replyToIsFrom != 0 {
		lists = append(lists[:2], lists[3:]...)
	}
	if flags&senderIsFrom != 0 {
		lists = append(lists[:1], lists[2:]...)
	}
	return lists
}

func (w *writer) address(a *Address) {
	flags := byte(a.Group & 3)
	fields := [...]struct {
		flag byte
		s    string
	}{{withName, a.Name}, {withRoute, a.Route}, {withHost, a.Host}}
	for _, f := range fields {
		if f.s != "" {
			flags |= f.flag
		}
	}
	w.b = append(w.b, flags)
	w.str(a.Mailbox)
	for _, f := range fields {
		if f.s != "" {
			w.str(f.s)
		}
	}
}

// part writes p, whose octets lie within start and end.
func (w *writer) part(p *Part, start, end int64) {
	w.bad = w.bad || p.End > end || p.BodyStart-p.HeaderStart > MaxHeaderSize
	flags := 0
	set := func(flag int, on bool) {
		if on {
			flags |= flag
		}
	}
	set(withParams, len(p.Params) > 0)
	set(withID, p.ID != "")
	set(withDescription, p.Description != "")
	set(withMD5, p.MD5 != "")
	set(withDisposition, p.Disposition != "" || len(p.DispositionParams) > 0)
	set(withLanguage, len(p.Language) > 0)
	set(withLocation, p.Location != "")
	set(withParts, len(p.Parts) > 0)
	set(withMessage, p.Message != nil)
	w.num(flags)
	w.num64(p.HeaderStart - start)
	w.num64(p.BodyStart - p.HeaderStart)
	w.num64(p.End - p.BodyStart)
	w.num64(p.Lines)
	w.str(p.Type)
	w.str(p.Subtype)
	w.str(p.Encoding)
	if flags&withParams != 0 {
		w.params(p.Params)
	}
	for _, s := range []string{p.ID, p.Description, p.MD5, p.Location} {
		if s != "" {
			w.str(s)
		}
	}
	if flags&withDisposition != 0 {
		w.str(p.Disposition)
		w.params(p.DispositionParams)
	}
	if flags&withLanguage != 0 {
		w.num(len(p.Language))
		for _, s := range p.Language {
			w.str(s)
		}
	}
	if p.Message != nil {
		env := p.Envelope
		if env == nil {
			env = &Envelope{}
		}
		w.envelope(env)
		w.bad = w.bad || p.Message.End != p.End || p.Message.HeaderStart != p.BodyStart
		w.part(p.Message, p.BodyStart, p.End)
	}
	if len(p.Parts) > 0 {
		w.num(len(p.Parts))
		at := p.BodyStart
		for _, c := range p.Parts {
			w.part(c, at, p.End)
			at = c.End
		}
	}
}

func (w *writer) params(params []Param) {
	w.num(len(params))
	for _, p := range params {
		w.str(p.Name)
		extended := 0
		if p.Extended {
			extended = 1
		}
		w.num(extended)
		w.str(p.Value)
	}
}
