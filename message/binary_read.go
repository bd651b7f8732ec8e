package message

import (
	"encoding/binary"
	"math"
)

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
