package mta

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
	"github.com/postrider/postrider/smtp"
)

// unspecified stands for the address of a client that has none.
var unspecified = netip.IPv6Unspecified()

// dateFormat is the date-time of RFC 5322 §3.3.
const dateFormat = "Mon, 2 Jan 2006 15:04:05 -0700"

// receivedField returns the one trace field that this server prepends (RFC 5321 §4.4).
func (m *MTA) receivedField(tx *smtp.Transaction, at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from %s\r\n\tby %s with %s id %s", fromClause(tx.Session), m.Hostname, tx.Protocol(), tx.ID)
	// FOR would tell each recipient of the others, so it is for one only (RFC 5321 §7.6).
	if rcpts := tx.Envelope.Recipients; len(rcpts) == 1 && writable(tx, rcpts[0].ForwardPath) {
		fmt.Fprintf(&b, "\r\n\tfor <%s>", rcpts[0].ForwardPath)
	}
	if state := tx.Session.TLS; state != nil {
		fmt.Fprintf(&b, "\r\n\ttls %s", tls.CipherSuiteName(state.CipherSuite)) // RFC 8314 §4.3
	}
	fmt.Fprintf(&b, ";\r\n\t%s\r\n", at.Format(dateFormat))
	return b.String()
}

// writable reports whether the address may stand in a header field of this mail: one in UTF-8
// only where SMTPUTF8 was asked for (RFC 6531 §3.7.3).
func writable(tx *smtp.Transaction, a postrider.Address) bool {
	return a.IsASCII() || tx.Envelope.SMTPUTF8
}

// fromClause is the Extended-Domain of RFC 5321 §4.4: the name that the client gave itself,
// and the address that it has.
func fromClause(s *smtp.Session) string {
	name := s.Hello
	if postrider.CheckDomain(name) != nil {
		name = "unknown"
	}
	ip := s.RemoteIP()
	if !ip.IsValid() {
		return name
	}
	return fmt.Sprintf("%s (%s)", postrider.CanonicalDomain(name), addressLiteral(ip))
}

// addressLiteral writes ip as RFC 5321 §4.1.3 does.
func addressLiteral(ip netip.Addr) string {
	if ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.WithZone("").String() + "]"
}

// returnPath returns the field that final delivery puts on top (RFC 5321 §4.4).
func returnPath(from postrider.Address) string { return "Return-Path: <" + from.String() + ">\r\n" }

// header reads the header of c, at most message.MaxHeaderSize octets of it.
func header(c postrider.Content) ([]byte, error) {
	for size := int64(8 << 10); ; size *= 4 {
		size = min(size, c.Size(), message.MaxHeaderSize)
		b := make([]byte, size)
		if n, err := c.ReadAt(b, 0); int64(n) < size {
			return nil, fmt.Errorf("read header: %w", err)
		}
		if i := headerEnd(b); i >= 0 {
			return b[:i], nil
		}
		if size == c.Size() || size == message.MaxHeaderSize {
			return b, nil
		}
	}
}

// headerEnd returns the length of the header at the start of b with its empty line, -1 if it goes on.
func headerEnd(b []byte) int {
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		return 2
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return -1
}

// checkLoop refuses a message that passed through too many servers (RFC 5321 §6.3).
func (m *MTA) checkLoop(header []byte) error {
	limit := m.MaxReceived
	if limit == 0 {
		limit = 100
	}
	n := 0
	for f := range message.Fields(header) {
		if f.Is("Received") {
			n++
		}
	}
	if limit < 0 || n <= limit {
		return nil
	}
	return &postrider.Status{Code: "5.4.6", Text: "too many hops, mail is in a loop", Err: fmt.Errorf("%d Received fields", n)}
}

// repairs returns the fields that a submitted message lacks: Date and Message-ID (RFC 6409 §8.2,
// §8.3). Nothing else is touched, for a signature may cover it.
func (m *MTA) repairs(tx *smtp.Transaction, header []byte, at time.Time) string {
	hasDate, hasID := false, false
	for f := range message.Fields(header) {
		hasDate = hasDate || f.Is("Date")
		hasID = hasID || f.Is("Message-ID")
	}
	repaired := ""
	if !hasID {
		repaired += fmt.Sprintf("Message-ID: <%s.%d@%s>\r\n", tx.ID, at.Unix(), m.Hostname)
	}
	if !hasDate {
		repaired += "Date: " + at.Format(dateFormat) + "\r\n"
	}
	return repaired
}
