package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/postrider/postrider"
)

// A Dialer makes Clients. It is plain data: copy it and change a field for another destination. The zero Dialer relays
// as an MTA does: by an address literal for a name, with TLS wherever the server offers it, and without logging in.
//
// A Dialer may be used by many goroutines at once as long as nobody changes it.
type Dialer struct {
	// Hostname is what the client calls itself in EHLO: its fully qualified domain name, or an address literal (RFC 5321
	// §4.1.1.1). Empty means the address literal of the connection's own end, or "localhost" where that is no IP address.
	Hostname string

	// Network is the network that Connect dials. Empty means "tcp"; an LMTP server may listen on "unix".
	Network string

	// DialContext opens connections: set it to choose a source address, or to go through a proxy. Nil means the zero
	// net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// LMTP speaks LMTP (RFC 2033), in which the server answers for each recipient after the message.
	LMTP bool

	// TLS says when a session is encrypted. Zero is OpportunisticTLS.
	TLS TLSMode

	// TLSConfig is how a session is encrypted. Nil means the zero tls.Config. A ServerName in it comes before Dialer's.
	TLSConfig *tls.Config

	// ServerName is the name that the server's certificate must hold. Empty means the host of the address that Connect
	// was given. NewClient knows no address, and proves nothing without a name.
	ServerName string

	// Auth logs in, by a mechanism of those that the server offers. Nil means that the session stays anonymous; otherwise
	// a session without a login is an error. See [PasswordAuth].
	Auth AuthFunc

	// AllowInsecureAuth lets Auth run without TLS, and with a server whose certificate proves nothing, although whoever
	// listens then sees the password (RFC 4954 §4).
	AllowInsecureAuth bool

	// Timeouts bounds each step. Its zero value is the RFC's.
	Timeouts ClientTimeouts

	// Logger receives a "connect" and a "close" line for each session, at level Debug. Errors are returned, not logged. Nil
	// means slog.Default.
	Logger *slog.Logger

	// Transcript, if not nil, is called with each line of the session as it is sent or received: "C: " or "S: " and the
	// line without its CRLF, on the goroutine that uses the Client. Secrets are shown as "***", and the message as the
	// number of its octets.
	Transcript func(line string)
}

// ClientTimeouts bounds the steps of a session. In each field zero means the default, and less than zero no limit. A
// context bounds all of a call besides, and ends it at once.
type ClientTimeouts struct {
	// Connect is for opening the connection. Zero means one minute; the RFC names none.
	Connect time.Duration
	// Greeting is for the server's 220. Zero means 5 minutes (RFC 5321 §4.5.3.2.1).
	Greeting time.Duration
	// Command is for the reply to a command, MAIL and RCPT among them, and for the TLS handshake. Zero means 5 minutes
	// (RFC 5321 §4.5.3.2.2, §4.5.3.2.3).
	Command time.Duration
	// Data is for the 354 after DATA. Zero means 2 minutes (RFC 5321 §4.5.3.2.4).
	Data time.Duration
	// Block is for each write, of at most 32 KiB. Zero means 3 minutes (RFC 5321 §4.5.3.2.5).
	Block time.Duration
	// Final is for the reply to the final dot, for each of them in LMTP. Zero means 10 minutes (RFC 5321 §4.5.3.2.6). A
	// shorter one makes duplicates.
	Final time.Duration
	// Quit is for the goodbye, after which nothing depends on the server any more. Zero means 10 seconds.
	Quit time.Duration
}

// withDefaults returns t with every zero replaced and every negative value turned into zero, for no limit.
func (t ClientTimeouts) withDefaults() ClientTimeouts {
	for _, f := range []struct {
		value *time.Duration
		zero  time.Duration
	}{
		{&t.Connect, time.Minute},
		{&t.Greeting, 5 * time.Minute},
		{&t.Command, 5 * time.Minute},
		{&t.Data, 2 * time.Minute},
		{&t.Block, 3 * time.Minute},
		{&t.Final, 10 * time.Minute},
		{&t.Quit, 10 * time.Second},
	} {
		if *f.value == 0 {
			*f.value = f.zero
		}
		*f.value = max(*f.value, 0)
	}
	return t
}

// validate returns all that is wrong with the settings.
func (d *Dialer) validate() error {
	var errs []error
	if d.Hostname != "" {
		if err := postrider.CheckDomain(d.Hostname); err != nil {
			errs = append(errs, fmt.Errorf("smtp: Dialer.Hostname: %w", err))
		}
	}
	if d.TLS < OpportunisticTLS || d.TLS > NoTLS {
		errs = append(errs, fmt.Errorf("smtp: Dialer.TLS: no such mode %d", d.TLS))
	}
	return errors.Join(errs...)
}

// Connect opens a connection to addr, a host and a port such as "mx.example.org:25", and makes a Client of it as
// [Dialer.NewClient] does. An error is a [*ClientError] that says at which stage it happened, unless a setting is wrong.
//
// ctx bounds the connecting only: the Client outlives it.
func (d *Dialer) Connect(ctx context.Context, addr string) (*Client, error) {
	if err := d.validate(); err != nil {
		return nil, err
	}
	conn, err := d.dial(ctx, addr)
	if err != nil {
		return nil, clientConnectError(err)
	}
	named := *d
	if host, _, err := net.SplitHostPort(addr); err == nil && named.ServerName == "" {
		named.ServerName = host
	}
	return named.NewClient(ctx, conn)
}

func (d *Dialer) dial(ctx context.Context, addr string) (net.Conn, error) {
	if limit := d.Timeouts.withDefaults().Connect; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	network := d.Network
	if network == "" {
		network = "tcp"
	}
	if d.DialContext != nil {
		return d.DialContext(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// NewClient makes a Client of a fresh connection: it reads the greeting, says EHLO, and as the Dialer's settings ask
// starts TLS and logs in. The Client owns conn from then on, and has closed it if NewClient returns an error. An error is a
// [*ClientError] that says at which stage it happened, unless a setting is wrong.
//
// ctx bounds the opening only: the Client outlives it.
func (d *Dialer) NewClient(ctx context.Context, conn net.Conn) (*Client, error) {
	if err := d.validate(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c := newClient(d, conn)
	start := time.Now()
	release := c.watch(ctx)
	fail := c.open()
	release()
	if fail != nil {
		c.hangUp(ctx)
		return nil, fail
	}
	c.logger.DebugContext(ctx, "connect", "remote", c.remote, "extended", c.extended, "tls", c.tlsName(), "auth", c.authenticated, "took", time.Since(start))
	return c, nil
}
