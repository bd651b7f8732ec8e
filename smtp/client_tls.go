package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/postrider/postrider"
)

// A TLSMode says when a session is encrypted.
type TLSMode int

const (
	// OpportunisticTLS encrypts where the server offers STARTTLS (RFC 3207), whatever its certificate proves, as mail between
	// servers has to (RFC 7435): [Client.VerifyError] tells. A server that does not offer STARTTLS, or refuses it, gets the mail
	// unencrypted. A handshake that fails ends the connection, with StageTLS; the caller may dial again with NoTLS.
	OpportunisticTLS TLSMode = iota
	// RequireTLS encrypts by STARTTLS, with a server whose certificate TLSConfig accepts, or not at all: everything else is a
	// temporary error. It is the mode for submission on port 587, and for next hops with a policy.
	RequireTLS
	// ImplicitTLS is RequireTLS from the first octet, as on port 465 (RFC 8314 §3.3).
	ImplicitTLS
	// NoTLS never encrypts.
	NoTLS
)

// TLS returns the state of the session's TLS, nil if there is none.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// VerifyError says why the session is not known to be with the server of the right name. It is nil if TLS is on and the
// certificate was verified, by crypto/tls or by a VerifyConnection or VerifyPeerCertificate function of TLSConfig in its place.
func (c *Client) VerifyError() error {
	if c.tls == nil {
		return errClientNoTLS
	}
	return c.verifyErr
}

var (
	errClientNoTLS  = errors.New("smtp: the session has no TLS")
	errClientSkip   = errors.New("smtp: TLSConfig.InsecureSkipVerify")
	errClientInject = fmt.Errorf("%w: octets sent ahead of the TLS handshake", ErrProtocol)
)

// startTLS turns TLS on by STARTTLS as the mode asks, and says EHLO again (RFC 3207 §4).
func (c *Client) startTLS() *ClientError {
	switch {
	case c.dialer.TLS == NoTLS:
		return nil
	case !c.offers("STARTTLS") && c.dialer.TLS == RequireTLS:
		return clientRefusal(StageTLS, "4.7.4", "TLS is required, but the server does not offer it")
	case !c.offers("STARTTLS"):
		return nil
	}
	r, err := c.command(StageTLS, "STARTTLS", c.limits.Command)
	if err != nil {
		return err
	}
	if r.class() != 2 {
		fail := c.refused(StageTLS, r)
		if c.broken != nil {
			return fail
		}
		if c.dialer.TLS == RequireTLS {
			// By a policy of ours, not a verdict on the message: another try may find TLS working.
			fail.Status = &postrider.Status{Code: "4.7.4", Text: "TLS is required, but the server refuses it", Err: fail.Status}
			return fail
		}
		return nil
	}
	// What came along with the 220 came in the clear, by whomever, and would be read as if TLS protected it.
	if c.replies.buffered() > 0 {
		return c.lost(StageTLS, errClientInject)
	}
	if err := c.handshake(); err != nil {
		return err
	}
	return c.hello()
}

// handshake lays TLS over the connection.
func (c *Client) handshake() *ClientError {
	config := c.tlsConfig()
	stream := tls.Client(c.conn, config)
	c.conn.limitRead(c.limits.Command)
	if err := stream.HandshakeContext(c.conn.ctx); err != nil {
		fail := c.lost(StageTLS, err)
		if fail.Status.Code == "4.4.2" && c.conn.ctx.Err() == nil {
			fail.Status.Code, fail.Status.Reply, fail.Status.Text = "4.7.5", 0, "the TLS handshake failed"
		}
		return fail
	}
	state := stream.ConnectionState()
	c.tls = &state
	c.use(stream)
	if c.dialer.Transcript != nil {
		c.dialer.Transcript("# " + c.tlsName())
	}
	return nil
}

// tlsConfig is TLSConfig as the mode wants it. It leaves in c.verifyErr what is known before the handshake.
func (c *Client) tlsConfig() *tls.Config {
	config := c.dialer.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = c.dialer.ServerName
	}
	if config.InsecureSkipVerify {
		if config.VerifyConnection == nil && config.VerifyPeerCertificate == nil {
			c.verifyErr = errClientSkip
		}
		return config
	}
	if c.dialer.TLS == OpportunisticTLS {
		c.verifyLater(config)
	}
	return config
}

// verifyLater has the certificate verified as ever, but remembers a failure instead of ending the handshake.
func (c *Client) verifyLater(config *tls.Config) {
	roots, name, now, further := config.RootCAs, config.ServerName, config.Time, config.VerifyConnection
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		opts := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
		if now != nil {
			opts.CurrentTime = now()
		}
		for _, cert := range state.PeerCertificates[1:] {
			opts.Intermediates.AddCert(cert)
		}
		_, c.verifyErr = state.PeerCertificates[0].Verify(opts)
		if name == "" {
			c.verifyErr = errors.Join(errors.New("smtp: no ServerName to verify"), c.verifyErr)
		}
		if further != nil {
			return further(state)
		}
		return nil
	}
}

// tlsName names the protocol and the cipher suite for logs, empty without TLS.
func (c *Client) tlsName() string {
	if c.tls == nil {
		return ""
	}
	return tls.VersionName(c.tls.Version) + " " + tls.CipherSuiteName(c.tls.CipherSuite)
}
