package smtp

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/postrider/postrider"
)

func offerSize(c *serverConn) (string, bool) {
	if c.set.maxSize == 0 {
		return "", true
	}
	return strconv.FormatInt(c.set.maxSize, 10), true
}

// parseSize reads SIZE and refuses what is declared too large before it is sent (RFC 1870 §6.1).
func parseSize(c *serverConn, e *postrider.Envelope, value string) error {
	if len(value) == 0 || len(value) > 20 || strings.Trim(value, "0123456789") != "" {
		return errors.New("SIZE must be a number of up to 20 digits")
	}
	size, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		size = math.MaxInt64
	}
	if c.set.maxSize > 0 && size > c.set.maxSize {
		return tooLarge(c.set.maxSize)
	}
	e.Size = size
	return nil
}

func tooLarge(limit int64) *postrider.Status {
	return &postrider.Status{Code: "5.3.4", Text: "message is too large; the limit is " + strconv.FormatInt(limit, 10) + " octets"}
}

// parseBody reads BODY (RFC 6152 §3). BINARYMIME would need CHUNKING (RFC 3030 §3).
func parseBody(c *serverConn, e *postrider.Envelope, value string) error {
	switch body := postrider.Body(strings.ToUpper(value)); body {
	case postrider.Body7Bit, postrider.Body8BitMIME:
		e.Body = body
		return nil
	}
	return errors.New("BODY must be 7BIT or 8BITMIME")
}

// parseSMTPUTF8 reads SMTPUTF8, which has no value (RFC 6531 §3.4).
func parseSMTPUTF8(c *serverConn, e *postrider.Envelope, value string) error {
	if value != "" {
		return errors.New("SMTPUTF8 has no value")
	}
	e.SMTPUTF8 = true
	return nil
}

func offerStartTLS(c *serverConn) (string, bool) {
	return "", c.hasTLS() && c.session.TLS == nil
}

func offerAuth(c *serverConn) (string, bool) {
	if !c.hasAuth() {
		return "", false
	}
	mechanisms := c.server.Auth.Mechanisms(c.peer())
	return strings.Join(mechanisms, " "), len(mechanisms) > 0
}

// parseSubmitter reads MAIL's AUTH: xtext of a mailbox, or <>. A client that is not
// trusted has said <>, whatever it said (RFC 4954 §5).
func parseSubmitter(c *serverConn, e *postrider.Envelope, value string) error {
	submitter := postrider.Address{}
	if value != "<>" {
		s, err := decodeXtext(value)
		if err == nil {
			submitter, err = postrider.ParseAddress(s)
		}
		if err != nil {
			return errors.New("AUTH must be a mailbox in xtext, or <>")
		}
	}
	if trust := c.server.TrustSubmitter; trust == nil || !trust(c.session, submitter) {
		submitter = postrider.Address{}
	}
	e.Auth = &submitter
	return nil
}

func offerExpn(c *serverConn) (string, bool) { return "", c.hasExpn() }
