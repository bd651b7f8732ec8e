package message

import (
	"encoding"
	"encoding/binary"
	"errors"
	"math"
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

// UnmarshalBinary reads what AppendBinary wrote. The Summary shares no memory with
// data. On an error, which is ErrCorrupt, s is not changed.
func (s *Summary) UnmarshalBinary(data []byte) error {
	var out Summary
	if !out.read(string(data)) {
		return ErrCorrupt
	}
	*s = out
	return nil
}

// DecodeEnvelope reads no more than the Envelope of what Summary.AppendBinary
// wrote, as a listing of many messages wants it. The error is ErrCorrupt.
func DecodeEnvelope(data []byte) (Envelope, error) {
	const prefix = 1 + binary.MaxVarintLen64
	r := reader{s: string(data[:min(len(data), prefix)])}
	version, n := r.byte(), r.num64()
	start := min(len(data), prefix) - len(r.s)
	if r.bad || version != binaryVersion || n > int64(len(data)-start) {
		return Envelope{}, ErrCorrupt
	}
	r.s = string(data[start : start+int(n)])
	var e Envelope
	r.envelope(&e)
	if r.bad || r.s != "" {
		return Envelope{}, ErrCorrupt
	}
	return e, nil
}

func (s *Summary) read(data string) (ok bool) {
	r := reader{s: data}
	if r.byte() != binaryVersion {
		return false
	}
	n := r.num()
	env := reader{s: r.s[:n]}
	env.envelope(&s.Envelope)
	r.s = r.s[n:]

	r.allocate()
	s.Size = r.num64()
	s.Preview = r.str()
	s.References = r.list()
	s.Structure = r.part(0, s.Size, 0)
	if env.bad || env.s != "" || r.bad || !r.spent() ||
		s.Structure.HeaderStart != 0 || s.Structure.End != s.Size {
		return false
	}
	s.HeaderSize = s.Structure.BodyStart
	return true
}

// A reader reads the binary form. After the first mistake bad is set, s is empty
// and all it returns is zero.
type reader struct {
	s   string
	bad bool

	// What allocate got, to be cut up.
	parts   []Part
	refs    []*Part
	params  []Param
	strings []string
	envs    []Envelope
}

func (r *reader) fail() {
	r.bad, r.s = true, ""
}

func (r *reader) byte() byte {
	if r.s == "" {
		r.fail()
		return 0
	}
	c := r.s[0]
	r.s = r.s[1:]
	return c
}

func (r *reader) num64() int64 {
	if r.s != "" && r.s[0] < 0x80 { // most are
		n := r.s[0]
		r.s = r.s[1:]
		return int64(n)
	}
	return r.longNum()
}

func (r *reader) longNum() int64 {
	var n uint64
	for i := 0; i < len(r.s) && i < binary.MaxVarintLen64; i++ {
		c := r.s[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if n > math.MaxInt64 || i == binary.MaxVarintLen64-1 {
				break
			}
			r.s = r.s[i+1:]
			return int64(n)
		}
	}
	r.fail()
	return 0
}

// num reads a number of things of which each takes at least one octet more.
func (r *reader) num() int {
	n := r.num64()
	if n > int64(len(r.s)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) str() string {
	n := r.num64()
	if n&1 == 1 {
		if n >>= 1; n >= int64(len(dictionary)) {
			r.fail()
			return ""
		}
		return dictionary[n]
	}
	if n >>= 1; n > int64(len(r.s)) {
		r.fail()
		return ""
	}
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

// strIf reads a string if flag is among flags.
func (r *reader) strIf(flags, flag int64) string {
	if flags&flag == 0 {
		return ""
	}
	return r.str()
}

func (r *reader) envelope(e *Envelope) {
	flags := EmptyFields(r.byte())
	e.Empty = flags & allEmpty
	total := r.num()
	e.Date, e.Subject, e.InReplyTo, e.MessageID = r.str(), r.str(), r.str(), r.str()
	if 2*total > len(r.s) { // an address takes two octets at least
		r.fail()
		return
	}
	all := make([]Address, total)
	for _, l := range [...]struct {
		list *[]Address
		flag EmptyFields
	}{{&e.From, 0}, {&e.Sender, senderIsFrom}, {&e.ReplyTo, replyToIsFrom}, {&e.To, 0}, {&e.Cc, 0}, {&e.Bcc, 0}} {
		if flags&l.flag != 0 {
			*l.list = e.From
			continue
		}
		n := r.num()
		if n > len(all) {
			r.fail()
			return
		}
		if n == 0 {
			continue
		}
		*l.list, all = all[:n:n], all[n:]
		for i := range *l.list {
			r.address(&(*l.list)[i])
		}
	}
	if len(all) > 0 {
		r.fail()
	}
}

func (r *reader) address(a *Address) {
	flags := int64(r.byte())
	a.Group = Group(flags & 3)
	if a.Group > GroupEnd {
		r.fail()
	}
	a.Mailbox = r.str()
	a.Name = r.strIf(flags, withName)
	a.Route = r.strIf(flags, withRoute)
	a.Host = r.strIf(flags, withHost)
}

// allocate gets all memory that the parts need.
func (r *reader) allocate() {
	parts, params, strings, envs := r.num(), r.num(), r.num(), r.num()
	// So many octets each of them takes at least.
	if 8*parts+3*params+strings+10*envs > len(r.s) || parts == 0 {
		r.fail()
		return
	}
	r.parts = make([]Part, parts)
	r.refs = make([]*Part, parts-1)
	r.params = make([]Param, params)
	r.strings = make([]string, strings)
	r.envs = make([]Envelope, envs)
}

// spent reports whether all octets were read and all that was promised came.
func (r *reader) spent() bool {
	return r.s == "" && len(r.parts)+len(r.params)+len(r.strings)+len(r.envs) == 0
}

func (r *reader) list() []string {
	n := r.num()
	if n > len(r.strings) {
		r.fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	var list []string
	list, r.strings = r.strings[:n:n], r.strings[n:]
	for i := range list {
		list[i] = r.str()
	}
	return list
}

func (r *reader) paramList() []Param {
	n := r.num()
	if n > len(r.params) {
		r.fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	var list []Param
	list, r.params = r.params[:n:n], r.params[n:]
	for i := range list {
		list[i].Name = r.str()
		list[i].Extended = r.byte()&1 == 1
		list[i].Value = r.str()
	}
	return list
}

// part reads a part whose octets must lie within start and end. It returns nil
// only after a failure.
func (r *reader) part(start, end int64, depth int) *Part {
	if len(r.parts) == 0 || depth > MaxDepth+1 {
		r.fail()
		return nil
	}
	p := &r.parts[0]
	r.parts = r.parts[1:]
	flags := r.num64()
	p.HeaderStart = r.offset(start, end)
	p.BodyStart = r.offset(p.HeaderStart, min(end, p.HeaderStart+MaxHeaderSize))
	p.End = r.offset(p.BodyStart, end)
	p.Lines = r.num64()
	p.Type, p.Subtype, p.Encoding = r.str(), r.str(), r.str()
	if flags&withParams != 0 {
		p.Params = r.paramList()
	}
	p.ID = r.strIf(flags, withID)
	p.Description = r.strIf(flags, withDescription)
	p.MD5 = r.strIf(flags, withMD5)
	p.Location = r.strIf(flags, withLocation)
	if flags&withDisposition != 0 {
		p.Disposition = r.str()
		p.DispositionParams = r.paramList()
	}
	if flags&withLanguage != 0 {
		p.Language = r.list()
	}
	if flags&withMessage != 0 {
		r.message(p, depth)
	}
	if flags&withParts != 0 {
		r.children(p, depth)
	}
	if r.bad {
		return nil
	}
	return p
}

// offset reads an offset that is counted from start.
func (r *reader) offset(start, end int64) int64 {
	n := r.num64()
	if n > end-start {
		r.fail()
		return start
	}
	return start + n
}

func (r *reader) message(p *Part, depth int) {
	if len(r.envs) == 0 {
		r.fail()
		return
	}
	p.Envelope, r.envs = &r.envs[0], r.envs[1:]
	r.envelope(p.Envelope)
	p.Message = r.part(p.BodyStart, p.End, depth+1)
	if p.Message == nil || p.Message.HeaderStart != p.BodyStart || p.Message.End != p.End {
		r.fail()
	}
}

func (r *reader) children(p *Part, depth int) {
	n := r.num()
	if n > len(r.refs) || n == 0 {
		r.fail()
		return
	}
	p.Parts, r.refs = r.refs[:n:n], r.refs[n:]
	at := p.BodyStart
	for i := range p.Parts {
		c := r.part(at, p.End, depth+1)
		if c == nil {
			return
		}
		p.Parts[i], at = c, c.End
	}
}
