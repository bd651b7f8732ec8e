package pop3

import (
	"strconv"
	"strings"
)

// state is where in RFC 1939's course a session is. There is no UPDATE among them: it
// lasts as long as QUIT is at work.
type state int

const (
	authorization state = 1 << iota // RFC 1939 §4
	transaction                     // RFC 1939 §5
)

// A command is a row of the table of commands.
type command struct {
	name   string
	states state
	// run answers the command, given all that stands behind the one space that
	// follows the keyword.
	run func(s *session, arg string)
}

// commands is what a server understands.
var commands = []command{
	{"USER", authorization, (*session).cmdUser},
	{"PASS", authorization, (*session).cmdPass},
	{"AUTH", authorization, (*session).cmdAuth},
	{"STLS", authorization, withoutArgument((*session).cmdStls)},
	{"CAPA", authorization | transaction, withoutArgument((*session).cmdCapa)},
	{"QUIT", authorization | transaction, withoutArgument((*session).cmdQuit)},
	{"STAT", transaction, withoutArgument((*session).cmdStat)},
	{"LIST", transaction, (*session).cmdList},
	{"UIDL", transaction, (*session).cmdUidl},
	{"RETR", transaction, (*session).cmdRetr},
	{"TOP", transaction, (*session).cmdTop},
	{"DELE", transaction, (*session).cmdDele},
	{"NOOP", transaction, withoutArgument((*session).cmdNoop)},
	{"RSET", transaction, withoutArgument((*session).cmdRset)},
}

func findCommand(name string) *command {
	for i := range commands {
		if strings.EqualFold(commands[i].name, name) {
			return &commands[i]
		}
	}
	return nil
}

// dispatch answers a command line.
func (s *session) dispatch(line string) {
	keyword, arg, _ := strings.Cut(line, " ")
	c := findCommand(keyword)
	if c == nil || c.name != "PASS" {
		s.user = nil // PASS comes right behind USER or not at all (RFC 1939 §7)
	}
	now := authorization
	if s.drop != nil {
		now = transaction
	}
	switch {
	case c == nil:
		s.protest("unknown command")
	case c.states&now == 0 && now == authorization:
		s.protest("log in first")
	case c.states&now == 0:
		s.protest("not after the login")
	default:
		c.run(s, arg)
	}
}

// withoutArgument is a command that takes none.
func withoutArgument(run func(*session)) func(*session, string) {
	return func(s *session, arg string) {
		if strings.TrimRight(arg, " ") != "" {
			s.protest("no argument expected")
			return
		}
		run(s)
	}
}

// number parses a message number or a number of lines: digits and nothing else. One too
// large for any message is the largest there is.
func number(arg string) (int, bool) {
	if arg == "" || strings.Trim(arg, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(arg, 10, 32)
	if err != nil {
		n = 1<<31 - 1
	}
	return int(n), true
}

// oneMessage returns the message that arg, a number, names. Where it returns nil it has
// answered.
func (s *session) oneMessage(arg string) (*entry, int) {
	n, ok := number(strings.TrimRight(arg, " "))
	if !ok {
		s.protest("a message number is expected")
		return nil, 0
	}
	m := s.drop.message(n)
	switch {
	case m != nil:
	case n >= 1 && n <= len(s.drop.messages):
		s.deny("message is marked as deleted")
	default:
		s.deny("no such message, there are " + strconv.Itoa(len(s.drop.messages)))
	}
	return m, n
}
