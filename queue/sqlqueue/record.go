package sqlqueue

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

// A record is the binary form of a struct: its fields that are not zero, each with a tag of one octet, its length
// and its octets, by ascending tag. Nothing is lost on the way, whatever the octets of a text are. A field that is
// added later gets a new tag and a new version of the schema, so that older programs leave it alone.

// A coder writes a record, or reads one: the same methods describe it for both.
type coder struct {
	buf     []byte // what was written, or is to be read
	reading bool
	err     error
}

var errRecord = errors.New("damaged record")

// read returns the next field if it has that tag.
func (c *coder) read(tag byte) (field []byte, ok bool) {
	if c.err != nil || len(c.buf) == 0 || c.buf[0] != tag {
		return nil, false
	}
	n, width := binary.Uvarint(c.buf[1:])
	if width <= 0 || n > uint64(len(c.buf)-1-width) {
		c.err = errRecord
		return nil, false
	}
	start := 1 + width
	field, c.buf = c.buf[start:start+int(n)], c.buf[start+int(n):]
	return field, true
}

func (c *coder) write(tag byte, field string) {
	c.buf = append(c.buf, tag)
	c.buf = binary.AppendUvarint(c.buf, uint64(len(field)))
	c.buf = append(c.buf, field...)
}

// end returns what was wrong with a record that was read.
func (c *coder) end() error {
	if c.err == nil && len(c.buf) > 0 {
		c.err = errRecord
	}
	return c.err
}

func (c *coder) text(tag byte, s *string) {
	if !c.reading {
		if *s != "" {
			c.write(tag, *s)
		}
	} else if field, ok := c.read(tag); ok {
		*s = string(field)
	}
}

func (c *coder) octets(tag byte, b *[]byte) {
	s := string(*b)
	c.text(tag, &s)
	if c.reading && s != "" {
		*b = []byte(s)
	}
}

func (c *coder) flag(tag byte, b *bool) {
	if !c.reading {
		if *b {
			c.write(tag, "")
		}
	} else if _, ok := c.read(tag); ok {
		*b = true
	}
}

func (c *coder) number(tag byte, n *int64) {
	if !c.reading {
		if *n != 0 {
			c.write(tag, string(binary.AppendVarint(nil, *n)))
		}
		return
	}
	if field, ok := c.read(tag); ok {
		v, width := binary.Varint(field)
		if width <= 0 || width != len(field) {
			c.err = errRecord
		}
		*n = v
	}
}

// present stands for a pointer that is not nil. When reading it reports whether the next field is the tag.
func (c *coder) present(tag byte, is bool) bool {
	c.flag(tag, &is)
	return is
}

// date keeps a time to the nanosecond, without its zone. It takes two tags, and neither for the zero time.
func (c *coder) date(tag byte, t *time.Time) {
	var seconds, nanoseconds int64
	if !c.reading && !t.IsZero() {
		seconds, nanoseconds = t.Unix()-year1, int64(t.Nanosecond())
	}
	c.number(tag, &seconds)
	c.number(tag+1, &nanoseconds)
	if c.reading && (seconds != 0 || nanoseconds != 0) {
		*t = time.Unix(seconds+year1, nanoseconds)
	}
}

// year1 is when the zero time is, in Unix seconds.
var year1 = time.Time{}.Unix()

// address takes two tags.
func (c *coder) address(tag byte, a *postrider.Address) {
	c.text(tag, &a.Local)
	c.text(tag+1, &a.Domain)
}

// repeated describes a list; each element begins with the tag, and element describes what follows it.
func repeated[T any](c *coder, tag byte, list *[]T, element func(*T)) {
	if !c.reading {
		for i := range *list {
			c.write(tag, "")
			element(&(*list)[i])
		}
		return
	}
	for c.present(tag, false) {
		var e T
		element(&e)
		*list = append(*list, e)
	}
}

// params takes three tags.
func (c *coder) params(tag byte, list *[]postrider.Param) {
	repeated(c, tag, list, func(p *postrider.Param) {
		c.text(tag+1, &p.Keyword)
		c.text(tag+2, &p.Value)
	})
}

// envelope describes an envelope without its recipients.
func (c *coder) envelope(e *postrider.Envelope) {
	c.address(1, &e.ReversePath)
	c.number(3, &e.Size)
	c.text(4, (*string)(&e.Body))
	c.flag(5, &e.SMTPUTF8)
	c.flag(6, &e.RequireTLS)
	if c.present(7, e.Auth != nil) {
		if c.reading {
			e.Auth = new(postrider.Address)
		}
		c.address(8, e.Auth)
	}
	c.text(10, (*string)(&e.Return))
	c.text(11, &e.EnvelopeID)
	c.date(12, &e.Hold)
	if c.present(14, e.DeliverBy != nil) {
		if c.reading {
			e.DeliverBy = new(postrider.DeliverBy)
		}
		c.date(15, &e.DeliverBy.Deadline)
		c.flag(17, &e.DeliverBy.Return)
		c.flag(18, &e.DeliverBy.Trace)
	}
	if c.present(19, e.Priority != nil) {
		var n int64
		if c.reading {
			e.Priority = new(int)
		} else {
			n = int64(*e.Priority)
		}
		c.number(20, &n)
		*e.Priority = int(n)
	}
	c.text(21, &e.Tracking)
	repeated(c, 22, &e.Solicit, func(s *string) { c.text(23, s) })
	c.text(24, &e.Submitter)
	c.text(25, &e.TransactionID)
	c.flag(26, &e.ConvertPermitted)
	c.params(27, &e.Params)
}

// recipient describes a recipient without its hop.
func (c *coder) recipient(r *queue.Recipient) {
	c.address(1, &r.ForwardPath)
	notify := int64(r.Notify)
	c.number(3, &notify)
	r.Notify = postrider.Notify(notify)
	c.text(4, &r.Original.Type)
	c.text(5, &r.Original.Address)
	c.text(6, &r.Original.Raw)
	c.date(7, &r.RequireValidSince)
	c.flag(9, &r.RequireValidSinceContinue)
	c.flag(10, &r.Capabilities)
	c.params(11, &r.Params)
	c.octets(14, &r.Data)
}

// last describes what an entry tells of the last attempt.
func (c *coder) last(e *queue.Entry) {
	c.date(1, &e.LastAttempt)
	c.text(3, &e.LastRemote)
	if !c.present(4, e.LastStatus != nil) {
		return
	}
	if c.reading {
		e.LastStatus = new(postrider.Status)
	}
	s := e.LastStatus
	c.text(5, &s.Code)
	reply := int64(s.Reply)
	c.number(6, &reply)
	s.Reply = int(reply)
	c.text(7, &s.Text)
	cause := ""
	if s.Err != nil {
		cause = s.Err.Error()
	}
	if c.text(8, &cause); c.reading && cause != "" {
		s.Err = errors.New(cause)
	}
}

// encoded returns the record that describe describes.
func encoded(describe func(*coder)) []byte {
	c := &coder{buf: []byte{}} // nil would be NULL
	describe(c)
	return c.buf
}

// decode reads the record that describe describes.
func decode(record []byte, describe func(*coder)) error {
	c := &coder{buf: record, reading: true}
	describe(c)
	return c.end()
}
