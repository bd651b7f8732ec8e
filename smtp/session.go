package smtp

import (
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
)

// A Session is what a server knows of a client, from the connection to its end.
// The server owns it: handlers and hooks read it, during their calls.
type Session struct {
	// ID names the session in logs.
	ID string
	// Remote and Local are the ends of the connection.
	Remote, Local net.Addr
	// Start is when the connection was accepted.
	Start time.Time
	// Hello is the name that the client gave in EHLO, HELO or LHLO, empty before. It
	// proves nothing.
	Hello string
	// Extended says that the client greeted with EHLO or LHLO.
	Extended bool
	// LMTP says that the server speaks LMTP.
	LMTP bool
	// TLS is the state of the connection's TLS, nil for none.
	TLS *tls.ConnectionState
	// Identity is who logged in, nil for nobody.
	Identity *account.Identity

	values values
}

// RemoteIP returns the client's address, and the zero Addr where the connection has
// none, as on a Unix socket.
func (s *Session) RemoteIP() netip.Addr {
	if a, ok := s.Remote.(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Set keeps a value of the application's for the rest of the session. As with
// contexts, a key of a type of your own keeps it from being mixed up with others'.
func (s *Session) Set(key, value any) { s.values.set(key, value) }

// Value returns what was Set, nil if nothing was.
func (s *Session) Value(key any) any { return s.values.get(key) }

// Protocol returns the session's protocol as the with clause of a Received field
// names it: SMTP, or ESMTP or LMTP with an S for TLS and an A for AUTH (RFC 3848).
// [Transaction.Protocol] also knows SMTPUTF8.
func (s *Session) Protocol() string { return s.protocol(false) }

func (s *Session) protocol(utf8 bool) string {
	name := "ESMTP"
	switch {
	case s.LMTP && utf8:
		name = "UTF8LMTP"
	case s.LMTP:
		name = "LMTP"
	case !s.Extended:
		return "SMTP"
	case utf8:
		name = "UTF8SMTP"
	}
	if s.TLS != nil {
		name += "S"
	}
	if s.Identity != nil {
		name += "A"
	}
	return name
}

// A Transaction is one MAIL and what belongs to it, up to the reply after the data.
// The server owns it: handlers and hooks read it, during their calls.
type Transaction struct {
	// ID names the transaction in logs and in the reply that accepts the message.
	ID string
	// Session is the session that it belongs to.
	Session *Session
	// Start is when MAIL came.
	Start time.Time
	// Envelope holds the reverse-path and the recipients accepted so far.
	Envelope postrider.Envelope

	values values
}

// Set keeps a value of the application's for the rest of the transaction: what Rcpt
// found out and Data needs.
func (tx *Transaction) Set(key, value any) { tx.values.set(key, value) }

// Value returns what was Set, nil if nothing was.
func (tx *Transaction) Value(key any) any { return tx.values.get(key) }

// Protocol returns the transaction's protocol as the with clause of a Received field
// names it (RFC 3848, RFC 6531 §4.3): ESMTPSA, UTF8SMTP, LMTP and their kin.
func (tx *Transaction) Protocol() string { return tx.Session.protocol(tx.Envelope.SMTPUTF8) }

// values are a few pairs; a list finds them faster than a map would.
type values []struct{ key, value any }

func (v *values) set(key, value any) {
	for i := range *v {
		if (*v)[i].key == key {
			(*v)[i].value = value
			return
		}
	}
	*v = append(*v, struct{ key, value any }{key, value})
}

func (v values) get(key any) any {
	for i := range v {
		if v[i].key == key {
			return v[i].value
		}
	}
	return nil
}
