package pop3

import (
	"errors"
	"log/slog"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/store"
)

// Response codes (RFC 2449 §8.1, RFC 3206).
const (
	codeAuth       = "AUTH"        // the credentials are the problem
	codeInUse      = "IN-USE"      // somebody else has the maildrop
	codeLoginDelay = "LOGIN-DELAY" // wait before the next login
	codeTemp       = "SYS/TEMP"    // our problem, and likely to pass
	codePerm       = "SYS/PERM"    // our problem, and somebody must see to it
)

// A failure is what a client is told: -ERR, a response code or none, and a text.
type failure struct{ code, text string }

// failures turns errors into replies. What is not here is SYS/TEMP.
var failures = []struct {
	err error
	failure
}{
	{account.ErrCredentials, failure{codeAuth, "wrong name or password"}},
	{account.ErrDisabled, failure{codeAuth, "account is disabled"}},
	{account.ErrTooMany, failure{codeLoginDelay, "too many failed logins, try again later"}},
	{account.ErrMechanism, failure{"", "no such mechanism"}},
	{account.ErrEncryption, failure{"", "TLS is needed first, use STLS"}},
	{account.ErrExchange, failure{"", "malformed response of the mechanism"}},
	{ErrInUse, failure{codeInUse, "maildrop is in use by another session"}},
	{errGone, failure{"", "message is gone"}},
	{store.ErrNotExist, failure{codePerm, "there is no maildrop"}},
	{store.ErrCorrupt, failure{codePerm, "maildrop is damaged"}},
}

// errGone is a message that another removed during the session.
var errGone = errors.New("message was removed by another session")

// failureOf returns what to tell of err. A Status has its own text; the text of any other error
// is for the log.
func failureOf(err error) failure {
	var status *postrider.Status
	if errors.As(err, &status) {
		f := failure{codeTemp, strings.Join(status.Lines(), " ")}
		if status.Permanent() {
			f.code = codePerm
		}
		return f
	}
	for _, row := range failures {
		if errors.Is(err, row.err) {
			return row.failure
		}
	}
	return failure{codeTemp, "temporary failure, try again later"}
}

// maxReply is the longest first line of a response, with its CRLF (RFC 2449 §4).
const maxReply = 512

// ok answers +OK and a text, which begins with no bracket.
func (s *session) ok(text string) {
	s.out.WriteString("+OK ")
	s.out.WriteString(text)
	s.out.WriteString("\r\n")
}

// sendErr answers -ERR.
func (s *session) sendErr(f failure) {
	s.out.WriteString("-ERR ")
	if f.code != "" {
		s.out.WriteString("[" + f.code + "] ")
	}
	s.out.WriteString(printable(f.text, maxReply-len("-ERR [LOGIN-DELAY] \r\n")))
	s.out.WriteString("\r\n")
}

// printable returns text as ASCII of at most n octets, so that no text can forge a response.
func printable(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), n)]
}

// refuse answers a command that failed for a reason, and logs the reason.
func (s *session) refuse(command string, err error) {
	f := failureOf(err)
	level := slog.LevelInfo
	if f.code == codeTemp || f.code == codePerm {
		level = slog.LevelError
	}
	s.log(level, "reject", slog.String("command", command), slog.String("code", f.code), slog.Any("err", err))
	s.sendErr(f)
}

// deny answers a message number that means nothing. It is an everyday event.
func (s *session) deny(text string) { s.sendErr(failure{text: text}) }

// protest answers a command that breaks the rules of the protocol, and ends a session that makes
// a habit of it.
func (s *session) protest(text string) {
	if s.errors++; s.set.maxErrors > 0 && s.errors > s.set.maxErrors {
		s.sendErr(failure{text: "too many errors, closing the connection"})
		s.end(errTooManyErrors)
		return
	}
	s.sendErr(failure{text: text})
}
