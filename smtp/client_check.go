package smtp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/postrider/postrider"
)

// clientMaxLine is the longest line, without CRLF, that a message may have unless it is binary (RFC 5321 §4.5.3.1.6).
const clientMaxLine = 998

// A clientScan is what a transaction must know of the octets of a message.
type clientScan struct {
	eightBit bool
	nul      bool
	long     bool // a line of more than clientMaxLine octets
	bareLF   bool
	crs, lfs int // of those LFs that follow a CR
	line     int // octets of the present line
	last     byte
}

// bare reports whether a CR or LF stands alone (RFC 5321 §2.3.8).
func (s *clientScan) bare() bool { return s.bareLF || s.crs != s.lfs }

// binary reports whether only BINARYMIME could carry the message as it is (RFC 3030 §3).
func (s *clientScan) binary() bool { return s.nul || s.long || s.bare() }

// add scans the next octets.
func (s *clientScan) add(p []byte) {
	if len(p) == 0 {
		return
	}
	s.eightBit = s.eightBit || !clientASCII(p)
	s.nul = s.nul || bytes.IndexByte(p, 0) >= 0
	s.crs += bytes.Count(p, []byte{'\r'})
	for rest := p; ; {
		lf := bytes.IndexByte(rest, '\n')
		if lf < 0 {
			s.line += len(rest)
			s.long = s.long || s.line > clientMaxLine+1 // a CR may be the last of them
			break
		}
		before := s.last
		if at := len(p) - len(rest) + lf; at > 0 {
			before = p[at-1]
		}
		if before == '\r' {
			s.lfs++
		} else {
			s.bareLF = true
		}
		s.long = s.long || s.line+lf-1 > clientMaxLine
		s.line = 0
		rest = rest[lf+1:]
	}
	s.last = p[len(p)-1]
}

// clientASCII reports whether no octet has its eighth bit set.
func clientASCII(p []byte) bool {
	for ; len(p) >= 8; p = p[8:] {
		if binary.LittleEndian.Uint64(p)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, b := range p {
		if b >= 0x80 {
			return false
		}
	}
	return true
}

// A clientPlan is how an envelope and its message go to this server.
type clientPlan struct {
	body    postrider.Body // BODY, empty for none
	utf8    bool           // with SMTPUTF8
	ascii   bool           // addresses are to be turned into ASCII
	require bool           // with REQUIRETLS
	left    time.Duration  // what is left until the deadline of DELIVERBY
}

// clientChecks compare a transaction with what the server offers, in this order, and refuse what cannot go there as it is.
var clientChecks = []func(*clientTransaction) *ClientError{
	(*clientTransaction).checkRecipients,
	(*clientTransaction).checkSize,
	(*clientTransaction).checkTLS,
	(*clientTransaction).checkDeliverBy,
	(*clientTransaction).checkContent,
	(*clientTransaction).checkUTF8,
	(*clientTransaction).checkBody,
}

func (t *clientTransaction) checkRecipients() *ClientError {
	if len(t.env.Recipients) == 0 {
		return clientRefusal(StageCheck, "5.5.4", "no recipients")
	}
	return nil
}

// checkSize spares the server a message that it has declared too large (RFC 1870 §6.1).
func (t *clientTransaction) checkSize() *ClientError {
	if most := t.c.MaxSize(); most > 0 && t.content.Size() > most {
		return clientRefusal(StageCheck, "5.3.4", fmt.Sprintf("message of %d octets is larger than the %d that the next server takes", t.content.Size(), most))
	}
	return nil
}

// checkTLS holds a message with REQUIRETLS back from a session that is not safe enough (RFC 8689 §4.2.1). That the name was found
// safely is the caller's business. A bounce goes on without (§5).
func (t *clientTransaction) checkTLS() *ClientError {
	if !t.env.RequireTLS {
		return nil
	}
	switch {
	case t.c.VerifyError() == nil && t.c.offers("REQUIRETLS"):
		t.how.require = true
	case t.env.ReversePath.IsNull():
	case t.c.VerifyError() != nil:
		return &ClientError{Stage: StageCheck, Status: &postrider.Status{Code: "5.7.10", Text: "REQUIRETLS needs a verified TLS session", Err: t.c.VerifyError()}}
	default:
		return clientRefusal(StageCheck, "5.7.30", "REQUIRETLS support required")
	}
	return nil
}

// checkDeliverBy holds a message that must come back at its deadline to servers that promise it, in time (RFC 2852 §4.1.4.1).
func (t *clientTransaction) checkDeliverBy() *ClientError {
	by := t.env.DeliverBy
	if by == nil {
		return nil
	}
	t.how.left = time.Until(by.Deadline)
	if !by.Return {
		return nil
	}
	params, ok := t.c.extensions["DELIVERBY"]
	least, _ := strconv.Atoi(params)
	switch {
	case t.how.left < time.Second:
		return clientRefusal(StageCheck, "5.4.7", "delivery time expired")
	case !ok || t.how.left < time.Duration(least)*time.Second:
		return clientRefusal(StageCheck, "5.4.7", "the next server cannot deliver in time")
	}
	return nil
}

// checkContent reads the message if it is small, so that it is sent from memory, and scans it if that is cheap or needed. A bare CR or LF
// is found here or, in a large message, while it is sent.
func (t *clientTransaction) checkContent() *ClientError {
	size := t.content.Size()
	if size <= int64(len(t.buffer)) {
		if err := t.fill(t.buffer[:size], 0); err != nil {
			return err
		}
		t.scan.add(t.buffer[:size])
	} else if !t.trusted() {
		if err := t.scanAll(size); err != nil {
			return err
		}
	}
	if t.env.Body != postrider.BodyBinaryMIME && t.scan.bare() {
		return clientBareError()
	}
	return nil
}

// trusted reports whether nothing in the message could be a reason not to send it: it is declared to have eight bits, and the server
// takes them.
func (t *clientTransaction) trusted() bool {
	return t.env.Body == postrider.Body8BitMIME && t.c.offers("8BITMIME") && (!t.env.SMTPUTF8 || t.c.offers("SMTPUTF8"))
}

func (t *clientTransaction) scanAll(size int64) *ClientError {
	for at := int64(0); at < size; {
		block := t.buffer[:min(int64(len(t.buffer)), size-at)]
		if err := t.fill(block, at); err != nil {
			return err
		}
		t.scan.add(block)
		at += int64(len(block))
	}
	return nil
}

// fill fills p with the message's octets from at on.
func (t *clientTransaction) fill(p []byte, at int64) *ClientError {
	n, err := t.content.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &ClientError{Stage: StageCheck, Status: &postrider.Status{Code: "4.3.0", Text: "the message cannot be read", Err: err}}
}

func clientBareError() *ClientError {
	return clientRefusal(StageCheck, "5.6.0", "the message has a CR or LF that is not part of a CRLF")
}

// checkUTF8 decides on SMTPUTF8 (RFC 6531 §3.2, §3.4). A server that lacks it gets the message only if a declared need turns out
// to be none: 7-bit content, and addresses that are ASCII once their domains are A-labels. Nothing else is changed for it.
func (t *clientTransaction) checkUTF8() *ClientError {
	needed := t.env.SMTPUTF8 || !t.env.ReversePath.IsASCII()
	for i := range t.env.Recipients {
		needed = needed || !t.env.Recipients[i].ForwardPath.IsASCII()
	}
	if !needed {
		return nil
	}
	if t.c.offers("SMTPUTF8") {
		t.how.utf8 = true
		return nil
	}
	t.how.ascii = true
	if _, ok := t.env.ReversePath.ASCII(); !ok {
		return clientRefusal(StageCheck, "5.6.7", "the next server does not take internationalised addresses, and the sender's is one")
	}
	if t.env.SMTPUTF8 && t.scan.eightBit {
		return clientRefusal(StageCheck, "5.6.9", "the next server does not take internationalised messages")
	}
	return nil
}

// checkBody decides on BODY (RFC 6152 §3): eight bits never go out undeclared, nor to a server that does not take them.
func (t *clientTransaction) checkBody() *ClientError {
	eightBit := t.scan.eightBit || t.env.Body == postrider.Body8BitMIME
	switch {
	case t.env.Body == postrider.BodyBinaryMIME && t.scan.binary():
		return clientRefusal(StageCheck, "5.6.3", "the message is binary and cannot be sent without conversion")
	case !t.c.offers("8BITMIME") && t.scan.eightBit:
		return clientRefusal(StageCheck, "5.6.3", "the message has 8-bit content, and the next server takes 7 bits only")
	case !t.c.offers("8BITMIME"):
	case eightBit:
		t.how.body = postrider.Body8BitMIME
	case t.env.Body == postrider.Body7Bit:
		t.how.body = postrider.Body7Bit
	}
	return nil
}

// address returns a as it is to be written here, and whether it can be.
func (t *clientTransaction) address(a postrider.Address) (string, bool) {
	ok := true
	if t.how.ascii {
		a, ok = a.ASCII()
	}
	return a.String(), ok
}
