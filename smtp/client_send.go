package smtp

import (
	"context"
	"fmt"
	"sync"

	"github.com/postrider/postrider"
)

// An Outcome is what became of one recipient's copy.
type Outcome struct {
	// Recipient is the forward-path, as the envelope had it.
	Recipient postrider.Address
	// Reply is what the server said last of this recipient, in the form of [ClientError.Reply]: after an acceptance the reply to
	// the final dot, which often names the message in the server's log.
	Reply string
	// Err is nil if the server has taken responsibility for the message, and otherwise says why not.
	Err *ClientError
}

// Send sends one message to the recipients of env, in one transaction. It returns an outcome for each of env.Recipients, in
// their order and always, and a nil error only if the server took responsibility for all of them. Otherwise the error is the
// outcomes' in brief: the one that they share, or one of them, a temporary one if there is one, so that [postrider.IsPermanent]
// never speaks for a recipient who may yet be reached.
//
// Of env, the reverse-path, the recipients and their parameters are used; what the server does not offer is left out where its RFC
// allows that, and refused where it does not. env.Size is not: the content knows. The content goes out as it is, with only
// dots doubled; no line is broken, no header field added.
//
// A 552 to RCPT is as 452: there were too many recipients, and another transaction may take those (RFC 5321 §4.5.3.1.10).
//
// ctx interrupts the transaction at once, and the connection with it. Otherwise the Client is [Client.Reusable] afterwards, whatever the
// outcomes, unless the connection broke, the server broke the protocol or closed the session, or the message turned out while being sent
// to hold a bare CR or LF.
func (c *Client) Send(ctx context.Context, env *postrider.Envelope, content postrider.Content) ([]Outcome, error) {
	defer c.watch(ctx)()
	t := &clientTransaction{c: c, env: env, content: content, outcomes: make([]Outcome, len(env.Recipients))}
	for i := range env.Recipients {
		t.outcomes[i].Recipient = env.Recipients[i].ForwardPath
	}
	if err := t.run(); err != nil {
		t.failRest(err)
		if len(t.outcomes) == 0 {
			return nil, err
		}
	}
	return t.outcomes, clientSummary(t.outcomes)
}

// clientSummary is the outcomes as one error.
func clientSummary(outcomes []Outcome) error {
	var worst *ClientError
	failed, shared := 0, true
	for i := range outcomes {
		err := outcomes[i].Err
		if err == nil {
			continue
		}
		failed++
		shared = shared && (worst == nil || worst == err)
		if worst == nil || worst.Status.Permanent() && !err.Status.Permanent() {
			worst = err
		}
	}
	switch {
	case worst == nil:
		return nil
	case shared && failed == len(outcomes):
		return worst
	}
	return fmt.Errorf("%d of %d recipients not accepted: %w", failed, len(outcomes), worst)
}

// clientBuffers holds memory through which messages are sent.
var clientBuffers = sync.Pool{New: func() any { return new([clientBlock]byte) }}

// clientBlock is the size of the pieces in which a message is sent; one that is not larger is sent from memory.
const clientBlock = 32 << 10

// clientWindow is how many commands may be without a reply. Replies of the usual length to all of them fit the smallest buffer that a
// connection has, so that server and client cannot both be waiting for the other to read (RFC 2920 §3.1).
const clientWindow = 64

// A clientTransaction is one MAIL, its RCPTs and one message.
type clientTransaction struct {
	c        *Client
	env      *postrider.Envelope
	content  postrider.Content
	outcomes []Outcome

	buffer []byte // holds all of a small message
	scan   clientScan
	how    clientPlan

	reset      bool // RSET comes first
	next       int  // the step to be sent next
	answer     int  // the step to be answered next
	unanswered int  // RCPTs without a reply
	refused    *ClientError
	goAhead    bool // DATA was accepted
}

// The steps of the envelope. Those from clientStepRcpt on are the recipients, and then DATA.
const (
	clientStepReset = iota
	clientStepMail
	clientStepRcpt
)

func (t *clientTransaction) stepData() int { return clientStepRcpt + len(t.env.Recipients) }

// run runs the transaction. Its error is of all recipients that have no outcome yet.
func (t *clientTransaction) run() *ClientError {
	if err := t.c.ready(StageMail); err != nil {
		return err
	}
	memory := clientBuffers.Get().(*[clientBlock]byte)
	defer clientBuffers.Put(memory)
	t.buffer = memory[:]
	for _, check := range clientChecks {
		if err := check(t); err != nil {
			return err
		}
	}
	if err := t.envelope(); err != nil {
		return err
	}
	switch {
	case t.goAhead && t.refused == nil && len(t.c.accepted) > 0:
		return t.data()
	case t.goAhead:
		t.empty()
	}
	return t.refused
}

// failRest gives the recipients without an outcome err for one. A recipient that RCPT accepted has none before the final reply.
func (t *clientTransaction) failRest(err *ClientError) {
	for i := range t.outcomes {
		if o := &t.outcomes[i]; o.Err == nil && o.Reply == "" {
			o.Err, o.Reply = err, err.Reply
		}
	}
}

// envelope sends MAIL, RCPT and DATA and judges the replies. With PIPELINING they go out together as far as the window allows, and
// otherwise each waits for the reply before it. An error is the end of the session.
func (t *clientTransaction) envelope() *ClientError {
	c := t.c
	c.accepted = c.accepted[:0]
	t.reset = c.needsReset
	window := 1
	if c.offers("PIPELINING") {
		window = clientWindow
	}
	for pending := 0; ; pending-- {
		if pending <= window/2 {
			for pending < window && t.write() {
				pending++
			}
			if err := c.w.Flush(); err != nil {
				return t.unsent(err)
			}
		}
		if pending == 0 {
			return nil
		}
		if err := t.read(); err != nil {
			return err
		}
	}
}

// write sends the next command that the replies so far have not made pointless, and reports whether there was one.
func (t *clientTransaction) write() bool {
	c := t.c
	for t.refused == nil && t.next <= t.stepData() {
		step := t.next
		t.next++
		switch {
		case step == clientStepReset:
			if !t.reset {
				continue
			}
			c.line = append(c.line[:0], "RSET"...)
		case step == clientStepMail:
			if t.refused = t.mailLine(); t.refused != nil {
				return false
			}
			c.needsReset = true
		case step == t.stepData():
			if t.unanswered == 0 && len(c.accepted) == 0 {
				return false
			}
			c.line = append(c.line[:0], "DATA"...)
		default:
			i := step - clientStepRcpt
			if t.outcomes[i].Err = t.rcptLine(&t.env.Recipients[i]); t.outcomes[i].Err != nil {
				continue
			}
			t.unanswered++
		}
		c.send("")
		return true
	}
	return false
}

// unsent is the error of commands that could not be written. The server may have said why; but a refusal of one recipient is no
// reason to refuse them all.
func (t *clientTransaction) unsent(err error) *ClientError {
	r, fail := t.c.lastWords(StageMail, err)
	if fail == nil && r.class() == 4 {
		return t.c.refused(StageMail, r)
	}
	if fail == nil {
		fail = t.c.lost(StageMail, err)
	}
	return fail
}

// read reads and judges the reply to the next command that was sent.
func (t *clientTransaction) read() *ClientError {
	for t.skipped(t.answer) {
		t.answer++
	}
	step := t.answer
	t.answer++
	stage, limit := StageRcpt, t.c.limits.Command
	switch step {
	case clientStepReset, clientStepMail:
		stage = StageMail
	case t.stepData():
		stage, limit = StageData, t.c.limits.Data
	}
	r, err := t.c.reply(stage, limit)
	if err != nil {
		return err
	}
	return t.judge(step, stage, r)
}

// skipped reports whether a step was passed over by write.
func (t *clientTransaction) skipped(step int) bool {
	if step == clientStepReset {
		return !t.reset
	}
	i := step - clientStepRcpt
	return i >= 0 && i < len(t.outcomes) && t.outcomes[i].Err != nil
}

// judge draws the consequences of a reply, by its first digit alone (RFC 5321 §4.3.2). It returns an error if the session is over.
func (t *clientTransaction) judge(step int, stage Stage, r clientReply) *ClientError {
	var err *ClientError
	good := 2
	if stage == StageData {
		good = 3
	}
	if r.class() != good {
		err = t.c.refused(stage, r)
	}
	if t.c.broken != nil { // out of step, or 421, which speaks for all that is left
		return err
	}
	switch {
	case step == clientStepReset:
		if err != nil {
			return t.c.lost(stage, fmt.Errorf("%w: RSET refused: %w", ErrProtocol, err))
		}
	case stage == StageRcpt:
		t.unanswered--
		t.judgeRcpt(step-clientStepRcpt, r, err)
	case stage == StageData && err == nil:
		t.goAhead = true
	case err != nil && t.refused == nil:
		t.refused = err
		t.c.needsReset = stage == StageData
	}
	return nil
}

// judgeRcpt notes what became of a recipient. After MAIL was refused, RCPT only repeats it.
func (t *clientTransaction) judgeRcpt(i int, r clientReply, err *ClientError) {
	switch {
	case t.refused != nil:
	case err == nil:
		t.c.accepted = append(t.c.accepted, i)
	default:
		if r.code == 552 { // RFC 5321 §4.5.3.1.10
			err.Status.Code, err.Status.Reply = "4.5.3", 452
		}
		t.outcomes[i].Err, t.outcomes[i].Reply = err, err.Reply
	}
}
