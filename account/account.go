package account

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"

	"github.com/postrider/postrider"
)

// Errors of a Directory and an Authenticator, found with errors.Is.
var (
	// ErrNotExist means that no account owns the address.
	ErrNotExist = errors.New("no such account")
	// ErrExist means that an account has that name already, or that it owns the
	// address or would be found by the login.
	ErrExist = errors.New("account exists")
	// ErrCredentials means that the name or the secret is wrong; which of the
	// two, nobody is told.
	ErrCredentials = errors.New("wrong name or password")
	// ErrDisabled means that the account is there but may not log in now.
	ErrDisabled = errors.New("account is disabled")
	// ErrTooMany means that there were too many failed logins; try again later.
	ErrTooMany = errors.New("too many failed logins")
	// ErrMechanism means that the SASL mechanism is unknown or not offered on
	// this connection.
	ErrMechanism = errors.New("no such SASL mechanism")
	// ErrEncryption means that the mechanism needs TLS first.
	ErrEncryption = errors.New("encryption needed for this mechanism")
	// ErrExchange means that the client broke the rules of the mechanism.
	ErrExchange = errors.New("bad SASL exchange")
)

// A Directory knows who has an account and how they prove it. Its methods may be
// called by many goroutines at once. An error that is none of the package's is
// temporary: nobody is refused for good because a database is down.
type Directory interface {
	// Resolve returns the name of the account to which mail for addr belongs, or
	// ErrNotExist. It is asked for the domains that the application serves. The
	// name is the key of the account everywhere: in the store, in verdicts, in logs.
	Resolve(ctx context.Context, addr postrider.Address) (account string, err error)

	// Verify returns the name of the account whose login and password these are, or
	// ErrCredentials or ErrDisabled, the latter only where the password is right. It
	// takes as long for an unknown login as for a wrong password. An Authenticator
	// passes both prepared, by [PrepareLogin] and [PreparePassword].
	Verify(ctx context.Context, login, password string) (account string, err error)
}

// A Sender is a Directory that also says from which addresses an account may
// submit mail. Where a Directory is none, [MaySend] lets an account use the
// addresses that resolve to it.
type Sender interface {
	// MaySend returns nil if the account may submit mail from addr, and ErrNotExist
	// if not.
	MaySend(ctx context.Context, account string, addr postrider.Address) error
}

// MaySend returns nil if the account may submit mail from addr: as d says if it
// is a [Sender], otherwise if addr resolves to the account.
func MaySend(ctx context.Context, d Directory, account string, addr postrider.Address) error {
	if s, ok := d.(Sender); ok {
		return s.MaySend(ctx, account, addr)
	}
	owner, err := d.Resolve(ctx, addr)
	if err == nil && owner != account {
		return ErrNotExist
	}
	return err
}

// An Identity is who somebody proved to be.
type Identity struct {
	// Account is the name of the account, never empty.
	Account string
	// Login is the name that was proved, as the client gave it.
	Login string
	// Mechanism is how: a SASL mechanism's name, or "password" for IMAP's LOGIN
	// and POP3's USER and PASS.
	Mechanism string
}

// A Peer is what a login must know of its connection.
type Peer struct {
	// Addr is the client's address, the key of the limits on failed logins.
	Addr netip.Addr
	// TLS is the state of the connection's TLS, nil for none.
	TLS *tls.ConnectionState
	// AllowPlaintext permits mechanisms that show the password to whoever
	// listens, although TLS is nil (RFC 4954 §4 forbids it otherwise).
	AllowPlaintext bool
	// Protocol is "smtp", "imap", "pop3", for the log.
	Protocol string
}

// secure reports whether a password may be asked for.
func (p Peer) secure() bool { return p.TLS != nil || p.AllowPlaintext }
