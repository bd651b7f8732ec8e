package imap

import (
	"errors"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/store"
)

// A response is a tagged reply other than "OK completed".
type response struct {
	kind string // "OK", "NO" or "BAD"
	code string // without brackets, empty for none
	text string // empty for "... completed"
}

func (r *response) Error() string { return r.kind + " " + r.text }

// no returns a refusal with a response code of RFC 5530 or another.
func no(code, text string) *response { return &response{"NO", code, text} }

// replies turns errors into replies. What is not here is [UNAVAILABLE].
var replies = []struct {
	err error
	response
}{
	{account.ErrCredentials, response{"NO", "AUTHENTICATIONFAILED", "wrong name or password"}},
	{account.ErrDisabled, response{"NO", "CONTACTADMIN", "account is disabled"}},
	{account.ErrTooMany, response{"NO", "UNAVAILABLE", "too many failed logins, try again later"}},
	{account.ErrMechanism, response{"NO", "", "no such mechanism"}},
	{account.ErrEncryption, response{"NO", "PRIVACYREQUIRED", "TLS is needed first, use STARTTLS"}},
	{account.ErrExchange, response{"BAD", "", "authentication exchange failed"}},
	{store.ErrNotExist, response{"NO", "NONEXISTENT", "no such mailbox"}},
	{store.ErrExist, response{"NO", "ALREADYEXISTS", "mailbox exists already"}},
	{store.ErrName, response{"NO", "CANNOT", "impossible for a mailbox of that name"}},
	{store.ErrFlag, response{"NO", "CANNOT", "no message can have such a flag"}},
	{store.ErrLimit, response{"NO", "LIMIT", "too many keywords or search keys"}},
	{store.ErrOverQuota, response{"NO", "OVERQUOTA", "no room by the quota"}},
	{store.ErrCorrupt, response{"NO", "CORRUPTION", "stored mail is damaged"}},
	{errBadCharset, response{"NO", "BADCHARSET (US-ASCII UTF-8)", "unknown charset"}},
}

// A reply is what a client is told of an error.
type reply struct {
	response
	unexpected bool // worth a line in the log
}

// replyOf returns what to tell of err. A response and a Status have their own text; the text of any other
// error is for the log.
func replyOf(err error) reply {
	var own *response
	var syntax syntaxError
	var literal *literalError
	var status *postrider.Status
	switch {
	case err == nil:
		return reply{response: response{"OK", "", ""}}
	case errors.As(err, &own):
		return reply{response: *own}
	case errors.As(err, &syntax):
		return reply{response: response{"BAD", "", string(syntax)}}
	case errors.As(err, &literal):
		return reply{response: response{"BAD", "TOOBIG", "literal is too large"}}
	case errors.As(err, &status):
		return reply{response{"NO", statusCode(status), strings.Join(status.Lines(), " ")}, true}
	}
	for _, row := range replies {
		if errors.Is(err, row.err) {
			return reply{row.response, row.code == "CORRUPTION"}
		}
	}
	return reply{response{"NO", "UNAVAILABLE", "temporary failure, try again later"}, true}
}

// statusCode is the response code that goes with a Status.
func statusCode(s *postrider.Status) string {
	switch code := s.EnhancedCode()[1:]; {
	case s.Temporary():
		return "UNAVAILABLE"
	case code == ".2.2":
		return "OVERQUOTA"
	case code == ".2.3", code == ".3.4":
		return "TOOBIG"
	case strings.HasPrefix(code, ".7."):
		return "NOPERM"
	}
	return "CANNOT"
}

// tryCreate tells the client that a mailbox to put messages into is not there, but may be created
// (RFC 3501 §6.3.11, I13).
func tryCreate(err error) error {
	if errors.Is(err, store.ErrNotExist) {
		return no("TRYCREATE", "no such mailbox")
	}
	return err
}

// untagged writes one untagged reply of text.
func (s *session) untagged(text string) {
	s.out.WriteString("* ")
	s.out.WriteString(text)
	s.out.WriteString("\r\n")
}

// tagged writes the reply that ends a command.
func (s *session) tagged(r response) {
	s.out.WriteString(s.tag)
	s.out.WriteString(" " + r.kind + " ")
	if r.code != "" {
		s.out.WriteString("[" + r.code + "] ")
	}
	s.out.WriteString(printable(r.text))
	s.out.WriteString("\r\n")
}

// printable returns text as ASCII of one line, at least one octet, so that no text can forge a response (RFC
// 3501 §9, text).
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if text == "" {
		return "failed"
	}
	return text
}

// isSyntax reports whether err is the client's mistake in writing, or the end of the connection: nothing may be
// done then.
func isSyntax(err error) bool {
	var syntax syntaxError
	var literal *literalError
	var broken *connError
	return errors.As(err, &syntax) || errors.As(err, &literal) || errors.As(err, &broken)
}
