package postrider

import (
	"errors"
	"fmt"
	"strings"
)

// A Status is a reply that is an error. Its public half, Code and Text, goes on
// the wire; its private half, Err, goes in the log and nowhere else.
//
// Each protocol renders it its own way: Code "5.2.2" is 552 in SMTP, NO
// [OVERQUOTA] in IMAP and -ERR in POP3. An error that is no Status, and wraps none,
// is temporary and tells the peer nothing of its cause: see [StatusOf].
type Status struct {
	// Code is the enhanced status code of RFC 3463, such as "5.1.1". Its first
	// digit decides: 2 success, 4 try again later, 5 never.
	Code string
	// Reply is the reply code of RFC 5321 §4.2, such as 550. Zero means the one
	// that goes with Code (RFC 5248); a Reply of another class than Code's is
	// ignored.
	Reply int
	// Text says what the sender can do about it. Line breaks separate the lines of a
	// multiline reply. Control characters are rendered as question marks.
	Text string
	// Err is the cause, for the log. It may be nil.
	Err error `json:"-"`
}

// Error returns the public half, then the cause.
func (s *Status) Error() string {
	text := fmt.Sprintf("%d %s %s", s.ReplyCode(), s.EnhancedCode(), s.Text)
	if s.Err != nil {
		return text + ": " + s.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (s *Status) Unwrap() error { return s.Err }

// Temporary reports whether another try may succeed: everything that is neither
// a success nor a rejection decided by hand.
func (s *Status) Temporary() bool { return s.class() == 4 }

// Permanent reports whether the status is of class 5.
func (s *Status) Permanent() bool { return s.class() == 5 }

// class is the first digit of a well-formed Code, of Reply where Code is
// empty, and 4 otherwise: what nobody classified is temporary.
func (s *Status) class() int {
	switch {
	case validEnhanced(s.Code):
		return int(s.Code[0] - '0')
	case s.Code == "" && s.Reply >= 200 && s.Reply < 300:
		return 2
	case s.Code == "" && s.Reply >= 500 && s.Reply < 600:
		return 5
	}
	return 4
}

// EnhancedCode returns Code, or the undefined status of the class of Reply where
// Code is empty or malformed.
func (s *Status) EnhancedCode() string {
	if validEnhanced(s.Code) {
		return s.Code
	}
	return fmt.Sprintf("%d.0.0", s.class())
}

// ReplyCode returns the reply code of RFC 5321 §4.2 that goes with the status.
func (s *Status) ReplyCode() int {
	class := s.class()
	if s.Reply/100 == class && s.Reply%100/10 <= 5 {
		return s.Reply
	}
	subject := strings.TrimLeft(s.EnhancedCode()[1:], ".")
	if code, ok := replyCodes[class][subject]; ok {
		return code
	}
	return map[int]int{2: 250, 4: 451, 5: 554}[class]
}

// Lines returns Text as the lines of a reply, at least one, without control
// characters, so that no text can forge a reply.
func (s *Status) Lines() []string {
	lines := strings.Split(strings.ReplaceAll(s.Text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return '?'
			}
			return r
		}, line)
	}
	return lines
}

// validEnhanced holds code to RFC 3463 §2: class "." subject "." detail, the
// latter two of one to three digits.
func validEnhanced(code string) bool {
	parts := strings.Split(code, ".")
	if len(parts) != 3 || parts[0] != "2" && parts[0] != "4" && parts[0] != "5" {
		return false
	}
	for _, p := range parts[1:] {
		if len(p) == 0 || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

// StatusOf returns the Status that err is or wraps. An error that nobody
// classified is temporary: it becomes 451 4.3.0 with err as its cause, so that the
// mail is kept and the peer learns nothing. The Status of nil is nil.
func StatusOf(err error) *Status {
	if err == nil {
		return nil
	}
	var s *Status
	if errors.As(err, &s) {
		if err == error(s) {
			return s
		}
		// What wraps the Status belongs in the log as well.
		return &Status{Code: s.Code, Reply: s.Reply, Text: s.Text, Err: err}
	}
	return &Status{Code: "4.3.0", Text: "try again later", Err: err}
}

// IsPermanent reports whether err carries a decision of class 5. All other
// errors keep the mail.
func IsPermanent(err error) bool {
	s := StatusOf(err)
	return s != nil && s.Permanent()
}

// replyCodes gives the basic code of an enhanced status code by class, after
// the column "associated basic status code" of the registry (RFC 5248) and, where
// that leaves a choice, the reply that RFC 5321 §4.2.3 describes.
var replyCodes = map[int]map[string]int{
	2: {
		"7.0": 235,
	},
	4: {
		"1.1": 450, "1.8": 451,
		"2.0": 450, "2.1": 450, "2.2": 452, "2.3": 452, "2.4": 450,
		"3.1": 452, "3.2": 453, "3.4": 452,
		"4.2": 421,
		"5.3": 452,
		"7.0": 454, "7.12": 432, "7.15": 450,
	},
	5: {
		"1.0": 550, "1.1": 550, "1.2": 550, "1.3": 501, "1.4": 550, "1.6": 551, "1.7": 553, "1.8": 501, "1.10": 556,
		"2.0": 550, "2.1": 550, "2.2": 552, "2.3": 552, "2.4": 550,
		"3.2": 521, "3.4": 552,
		"5.0": 554, "5.1": 503, "5.2": 500, "5.4": 501, "5.6": 500,
		"6.7": 553, "6.8": 553, "6.9": 550,
		"7.0": 550, "7.1": 550, "7.2": 550, "7.4": 504, "7.8": 535, "7.9": 534, "7.10": 523, "7.11": 538, "7.13": 525, "7.14": 535,
		"7.15": 550, "7.16": 552, "7.17": 550, "7.18": 550, "7.19": 550, "7.20": 550, "7.21": 550, "7.22": 550, "7.23": 550,
		"7.24": 550, "7.25": 550, "7.26": 550, "7.27": 550, "7.29": 550, "7.30": 550,
	},
}
