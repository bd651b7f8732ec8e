package relay

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/smtp"
)

// A verdict is what the end of a transaction means for one recipient.
type verdict int

const (
	accepted  verdict = iota
	ambiguous         // the connection broke after the final dot: nobody knows, and nobody else is asked
	refused           // the server has decided
	tooMany           // another transaction may take the recipient
	deferred          // the server asks to wait: another host may not
	unsuited          // the server lacks what the message needs: another may have it
	lost              // the session ended before the server had decided
)

// verdictOf judges the error of one recipient, nil for none. What a server said counts by its first digit alone (RFC 5321 §4.3.2), save 421, which is
// about the session, and 452.
func verdictOf(err *smtp.ClientError) verdict {
	switch {
	case err == nil:
		return accepted
	case err.Ambiguous:
		return ambiguous
	case err.Stage == smtp.StageFinal, ours(err):
		return refused
	case err.Stage == smtp.StageCheck:
		return unsuited
	case err.Reply == "", err.Status.Reply == 421:
		return lost
	case err.Status.Permanent():
		return refused
	case err.Stage == smtp.StageRcpt && limit(err.Status):
		return tooMany
	}
	return deferred
}

// ours reports whether the message is such that no server could be given it, or cannot be read here.
func ours(err *smtp.ClientError) bool {
	if err.Stage == smtp.StageCheck && !err.Status.Permanent() {
		return true
	}
	return err.Reply == "" && (err.Status.Code == "5.6.0" || err.Status.Code == "5.5.4")
}

// limit reports whether the server had enough recipients (RFC 5321 §4.5.3.1.10), rather than a mailbox that is full, which is 452 as well.
func limit(s *postrider.Status) bool {
	return s.Code == "4.5.3" || s.Code == "" && s.Reply == 452
}

// A failure is why a recipient was not delivered to, or else the words with which it was.
type failure struct {
	status    *postrider.Status
	remote    string // who said so, empty for nobody
	rank      int    // how far it had come: what a server says of the mail tells more than that another is not there
	answer    bool   // a server asked to wait with this mail
	ambiguous bool
	retryAt   time.Time
}

// The ranks of failures.
const (
	rankLookup = iota
	rankConnect
	rankLost
	rankReply
	rankTransaction
)

// less reports whether g says more than f, or the same of a later try. What is temporary comes before all that is permanent: the
// recipient has not failed as long as somebody may yet take it.
func (f failure) less(g failure) bool {
	switch {
	case f.status == nil:
		return true
	case f.status.Permanent() != g.status.Permanent():
		return f.status.Permanent()
	}
	return f.rank <= g.rank
}

// transactionFailure is the failure of one recipient in a transaction.
func transactionFailure(s *session, err *smtp.ClientError) failure {
	f := failureOf(s.server, err)
	f.ambiguous = err.Ambiguous
	if v := verdictOf(err); v != lost {
		f.rank = rankTransaction
		f.answer = v == deferred || v == tooMany
	}
	return f
}

// sessionFailure is a session that could not be opened.
func sessionFailure(to server, err error) failure {
	fail, ok := errors.AsType[*smtp.ClientError](err)
	if !ok {
		return *misconfigured("relay", err)
	}
	return failureOf(to, fail)
}

// failureOf is what the server said, or what became of the connection with it: then the text names it, for these are not its words.
func failureOf(to server, err *smtp.ClientError) failure {
	if err.Reply != "" {
		return failure{status: err.Status, remote: to.host, rank: rankReply}
	}
	status := *err.Status
	status.Text = to.host + ": " + status.Text
	if err.Ambiguous {
		status.Text += "; the message may have arrived"
	}
	rank := rankLost
	if err.Stage == smtp.StageConnect {
		rank = rankConnect
	}
	return failure{status: &status, rank: rank}
}

// acceptance is the server's reply to the message as a Status: its text often names the message in the server's log.
func acceptance(reply string) *postrider.Status {
	lines := strings.Split(reply, "\n")
	status := &postrider.Status{Code: "2.0.0"}
	for n, line := range lines {
		number, text := line[:min(3, len(line))], line[min(4, len(line)):]
		if n == 0 {
			status.Reply, _ = strconv.Atoi(number)
		}
		code, rest, _ := strings.Cut(text, " ")
		if own := (&postrider.Status{Code: code}); strings.HasPrefix(code, "2.") && own.EnhancedCode() == code {
			status.Code, text = code, rest
		}
		lines[n] = text
	}
	status.Text = strings.Join(lines, "\n")
	return status
}
