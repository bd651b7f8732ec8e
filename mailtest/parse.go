package mailtest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// dialogue is a script file.
type dialogue struct {
	file     string
	steps    []*step
	sections []section
}

// section is what follows a line "-- name --".
type section struct{ name, text string }

// step is a line of the dialogue.
type step struct {
	number int    // of the line in the file
	raw    string // the line, without its end
	kind   kind
	who    string // "", "2", ... of C: and C2:
	side   string // "C" or "S"
	text   pattern
	args   string // of (connect), wait, do
	wait   time.Duration
	code   string // of a skipReply: its code and hyphen
	rest   bool   // of a skipReply: it stands for the last line of the reply too

	before, after []string // lines that an update adds
	removed       bool     // by an update
}

type kind int

const (
	remark kind = iota // comment or blank line
	send
	expect
	skipLines // S: ...
	skipReply // S: 250-...
	expectClosed
	expectReset
	expectNothing
	connectTo
	closeConn
	closeWrite
	resetConn
	startTLS
	startTLSFails
	wait
	do
)

// Actions in parentheses, of the side that is played and of the side that is under test.
var (
	sentActions     = map[string]kind{"(close)": closeConn, "(closewrite)": closeWrite, "(reset)": resetConn, "(starttls)": startTLS, "(starttls fails)": startTLSFails}
	expectedActions = map[string]kind{"(closed)": expectClosed, "(reset)": expectReset, "(nothing)": expectNothing}
)

var (
	speech   = regexp.MustCompile(`^([CS])([2-9]|[1-9][0-9]+)?:(?: (.*))?$`)
	heading  = regexp.MustCompile(`^-- ([^ ].*) --$`)
	manyMore = regexp.MustCompile(`^([0-9]{3}-)\.\.\.$`)
)

// parse reads a dialogue. play says which of its lines are sent.
func parse(file, text string, play Role) (*dialogue, error) {
	d := &dialogue{file: file}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		if heading.MatchString(line) {
			d.parseSections(lines[i:])
			break
		}
		s, err := parseStep(line, play)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
		s.number, s.raw = i+1, line
		d.steps = append(d.steps, s)
	}
	return d, d.link()
}

// link looks at what follows each "..." line, because that says where it ends.
func (d *dialogue) link() error {
	var open *step // the last step, if it skips
	for _, s := range append(d.steps, &step{kind: do}) {
		if s.kind == remark {
			continue
		}
		follows := open != nil && (s.kind == expect || s.kind == expectClosed || s.kind == expectReset) && s.who == open.who
		switch {
		case open == nil || follows:
		case open.kind == skipReply:
			open.rest = true
		default:
			return fmt.Errorf("%s:%d: a line after ... must say where the skipping ends", d.file, open.number)
		}
		if open = nil; s.kind == skipLines || s.kind == skipReply {
			open = s
		}
	}
	return nil
}

func (d *dialogue) parseSections(lines []string) {
	for _, line := range lines {
		if m := heading.FindStringSubmatch(line); m != nil {
			d.sections = append(d.sections, section{name: m[1]})
			continue
		}
		d.sections[len(d.sections)-1].text += line + "\n"
	}
}

func parseStep(line string, play Role) (*step, error) {
	verb, args, _ := strings.Cut(line, " ")
	switch {
	case strings.TrimSpace(line) == "" || line[0] == '#':
		return &step{kind: remark}, nil
	case verb == "wait":
		d, err := time.ParseDuration(args)
		if err == nil && d < 0 {
			err = fmt.Errorf("wait %s: time runs forward only", args)
		}
		return &step{kind: wait, wait: d}, err
	case verb == "do":
		return &step{kind: do, args: args}, nil
	}
	m := speech.FindStringSubmatch(line)
	if m == nil {
		return nil, fmt.Errorf("%q is neither C: nor S: nor wait nor do nor a # comment", line)
	}
	s := &step{side: m[1], who: m[2]}
	if (play == Client) == (s.side == "C") {
		return s, s.parseSent(m[3])
	}
	return s, s.parseExpected(m[3])
}

func (s *step) parseSent(text string) (err error) {
	var known bool
	if s.kind, known = sentActions[text]; known {
		return nil
	}
	if args, ok := strings.CutPrefix(text, "(connect"); ok && s.side == "C" && strings.HasSuffix(text, ")") {
		s.kind, s.args = connectTo, strings.TrimSuffix(args, ")")
		return nil
	}
	s.kind = send
	s.text, err = parsePattern(text, false)
	return err
}

func (s *step) parseExpected(text string) (err error) {
	var known bool
	if s.kind, known = expectedActions[text]; known {
		return nil
	}
	if text == "..." {
		s.kind = skipLines
		return nil
	}
	if m := manyMore.FindStringSubmatch(text); m != nil {
		s.kind, s.code = skipReply, m[1]
		return nil
	}
	s.kind = expect
	s.text, err = parsePattern(text, true)
	return err
}

// expects reports whether the line says what the side under test does.
func (s *step) expects() bool { return s.kind >= expect && s.kind <= expectNothing }

// String returns the file, with the changes of an update.
func (d *dialogue) String() string {
	var b strings.Builder
	for _, s := range d.steps {
		lines := slices.Clone(s.before)
		if !s.removed {
			lines = append(lines, s.raw)
		}
		for _, line := range append(lines, s.after...) {
			b.WriteString(line + "\n")
		}
	}
	for _, s := range d.sections {
		b.WriteString("-- " + s.name + " --\n" + s.text)
	}
	return b.String()
}
