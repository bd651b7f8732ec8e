package smtp

import (
	"errors"
	"fmt"

	"github.com/postrider/postrider/internal/wire"
)

// data sends the message after a 354, and learns what became of it.
func (t *clientTransaction) data() *ClientError {
	if err := t.sendMessage(); err != nil {
		return err
	}
	err := t.final()
	if err == nil {
		t.c.needsReset = false
		t.c.sent.Add(1)
	}
	return err
}

// sendMessage sends the message and the final dot. Without the dot there is no message: where anything is wrong with it, the connection is
// closed before.
func (t *clientTransaction) sendMessage() *ClientError {
	c := t.c
	if c.dialer.Transcript != nil {
		c.dialer.Transcript(fmt.Sprintf("C: *** message of %d octets", t.content.Size()))
		c.dialer.Transcript("C: .")
	}
	text := wire.NewDotWriter(c.w)
	if err := t.writeMessage(text); err != nil {
		return err
	}
	c.conn.complete = false
	err := text.Close()
	if err == nil {
		err = c.w.Flush()
	}
	if err == nil {
		return nil
	}
	ambiguous := c.conn.complete // the last octets of the dot have left, whatever happened then
	fail := t.interrupted(err)
	fail.Ambiguous = ambiguous && fail.Reply == ""
	return fail
}

// writeMessage writes the message without its end.
func (t *clientTransaction) writeMessage(text *wire.DotWriter) *ClientError {
	size := t.content.Size()
	inMemory := size <= int64(len(t.buffer))
	for at := int64(0); at < size; {
		block := t.buffer[:min(int64(len(t.buffer)), size-at)]
		if !inMemory {
			if err := t.fill(block, at); err != nil {
				t.c.lost(StageData, err)
				err.Stage = StageData
				return err
			}
		}
		if _, err := text.Write(block); err != nil {
			return t.interrupted(err)
		}
		at += int64(len(block))
	}
	return nil
}

// interrupted is the error of a message that could not be written to its end.
func (t *clientTransaction) interrupted(err error) *ClientError {
	if errors.Is(err, wire.ErrBareCR) || errors.Is(err, wire.ErrBareLF) {
		t.c.lost(StageData, err)
		fail := clientBareError()
		fail.Stage = StageData
		return fail
	}
	r, fail := t.c.lastWords(StageData, err)
	if fail == nil {
		fail = t.c.refused(StageData, r)
	}
	return fail
}

// final reads the reply to the final dot: one for all recipients, or in LMTP one for each that RCPT accepted (RFC 2033 §4.2). From here on
// silence is no answer: until a reply has come, the message may have been accepted.
func (t *clientTransaction) final() *ClientError {
	c := t.c
	for n := range c.accepted {
		r, err := c.reply(StageFinal, c.limits.Final)
		if err == nil && r.class() == 3 {
			err = c.refused(StageFinal, r)
		}
		if err != nil {
			err.Ambiguous = true
			return err
		}
		one := Outcome{Reply: r.String()}
		if r.class() != 2 {
			one.Err = c.refused(StageFinal, r)
		}
		if !c.dialer.LMTP {
			t.settle(c.accepted, one)
			return nil
		}
		t.settle(c.accepted[n:n+1], one)
		if c.broken != nil && n+1 < len(c.accepted) {
			fail := c.unusable(StageFinal)
			fail.Ambiguous = true
			return fail
		}
	}
	return nil
}

// settle gives the recipients their outcome.
func (t *clientTransaction) settle(recipients []int, one Outcome) {
	for _, i := range recipients {
		t.outcomes[i].Err, t.outcomes[i].Reply = one.Err, one.Reply
	}
}

// empty answers a 354 that came although no recipient was accepted: with a dot alone, which the server sends nowhere (RFC 2920 §3.1,
// §3.2). In LMTP nobody can say how many replies would follow, so that the connection ends.
func (t *clientTransaction) empty() {
	c := t.c
	if c.dialer.LMTP {
		c.lost(StageData, fmt.Errorf("%w: DATA accepted without recipients", ErrProtocol))
		return
	}
	c.line = append(c.line[:0], '.')
	c.send("")
	if _, err := c.exchange(StageFinal, c.limits.Final); err == nil {
		c.needsReset = false
	}
}
