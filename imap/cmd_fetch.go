package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
)

// fetch is the command FETCH (RFC 3501 §6.4.5).
func (s *session) fetch() error { return s.fetchBy(bySeq) }

func (s *session) fetchBy(by numbering) error {
	uids, err := s.messages(by)
	if err != nil {
		return err
	}
	if err := s.p.sp(); err != nil {
		return err
	}
	items, err := s.p.fetchItems()
	if err != nil {
		return err
	}
	if err := s.p.end(); err != nil {
		return err
	}
	f := s.newFetcher(items, by)
	own, err := f.markSeen(uids)
	if err != nil {
		return err
	}
	if items.atts&attFlags != 0 {
		if err := s.tellKeywords(); err != nil {
			return err
		}
	}
	if err := f.run(uids); err != nil {
		return err // and the view will tell of the flags
	}
	s.selected.view.Own(own)
	return expungedReply(by, uids.Len(), f.found)
}

// A fetcher writes FETCH responses.
type fetcher struct {
	*selected
	ctx   context.Context
	out   *wire.Writer
	items fetchItems
	// marked are messages that became \Seen by this command, of which their responses tell.
	marked store.UIDSet
	found  int    // messages that were there
	b      []byte // the response so far, but for what has been written
	chunk  []byte // of a section
}

func (s *session) newFetcher(items fetchItems, by numbering) *fetcher {
	if by == byUID {
		items.atts |= attUID // whether asked for or not (RFC 3501 §6.4.8, I14)
	}
	return &fetcher{selected: s.selected, ctx: s.ctx, out: s.out, items: items}
}

// markSeen sets \Seen where a section is fetched that sets it, in one change for all messages, and returns its ModSeq
// (RFC 3501 §6.4.5, I10). A body that is read later but not to its end has been seen all the same: the client asked for it.
func (f *fetcher) markSeen(uids store.UIDSet) (store.ModSeq, error) {
	if f.readOnly || !f.items.setsSeen() || uids.IsEmpty() {
		return 0, nil
	}
	res, err := f.mailbox.SetFlags(f.ctx, store.FlagChange{UIDs: uids, Op: store.FlagsAdd, Flags: []store.Flag{store.FlagSeen}})
	f.marked = res.Changed
	return res.ModSeq, err
}

func (f *fetchItems) setsSeen() bool {
	for i := range f.sections {
		if !f.sections[i].peek {
			return true
		}
	}
	return false
}

// needsSummary reports whether the message's structure or envelope is needed.
func (f *fetchItems) needsSummary() bool {
	for i := range f.sections {
		if !f.sections[i].isWhole() {
			return true
		}
	}
	return f.atts&attSummary != 0
}

// run writes a response for each of uids that is there.
func (f *fetcher) run(uids store.UIDSet) error {
	if uids.IsEmpty() {
		return nil
	}
	q := store.ScanQuery{UIDs: uids}
	if f.items.needsSummary() {
		q.Fields = store.FieldSummary
	}
	for msg, err := range f.mailbox.Scan(f.ctx, q) {
		if err == nil {
			err = f.message(&msg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// message writes the response for one message.
func (f *fetcher) message(msg *store.Message) error {
	seq := f.view.Seq(msg.UID)
	if seq == 0 {
		return nil
	}
	f.b = append(f.b[:0], "* "...)
	f.b = strconv.AppendUint(f.b, uint64(seq), 10)
	f.b = append(f.b, " FETCH ("...)
	f.simple(msg)
	if len(f.items.sections) > 0 {
		gone, err := f.sections(msg)
		if gone || err != nil {
			return err
		}
	}
	f.found++
	f.b = append(f.b, ")\r\n"...)
	return f.write()
}

// write hands on what there is of the response.
func (f *fetcher) write() error {
	if _, err := f.out.Write(f.b); err != nil {
		return &connError{err}
	}
	f.b = f.b[:0]
	return nil
}

// name begins an item of the response.
func (f *fetcher) name(name string) {
	if n := len(f.b); n == 0 || f.b[n-1] != '(' {
		f.b = append(f.b, ' ')
	}
	f.b = append(f.b, name...)
	f.b = append(f.b, ' ')
}

// simple appends all items but the sections.
func (f *fetcher) simple(msg *store.Message) {
	atts := f.items.atts
	if atts&attUID != 0 {
		f.name("UID")
		f.b = strconv.AppendUint(f.b, uint64(msg.UID), 10)
	}
	if atts&attFlags != 0 || len(f.marked) > 0 && f.marked.Contains(msg.UID) {
		f.name("FLAGS")
		f.b = f.appendFlags(f.b, msg)
	}
	if atts&attInternalDate != 0 {
		f.name("INTERNALDATE")
		f.b = appendDate(f.b, msg.InternalDate)
	}
	if atts&attSize != 0 {
		f.name("RFC822.SIZE")
		f.b = strconv.AppendInt(f.b, msg.Size, 10)
	}
	if atts&attEnvelope != 0 {
		f.name("ENVELOPE")
		f.b = appendEnvelope(f.b, &msg.Summary.Envelope)
	}
	if atts&attBody != 0 {
		f.name("BODY")
		f.b = appendStructure(f.b, msg.Summary.Structure, false)
	}
	if atts&attBodyStructure != 0 {
		f.name("BODYSTRUCTURE")
		f.b = appendStructure(f.b, msg.Summary.Structure, true)
	}
}

// sections writes the sections. Everything that can fail in an orderly way does so before the first octet of the response is
// written; gone says that the message was expunged meanwhile.
func (f *fetcher) sections(msg *store.Message) (gone bool, err error) {
	c, err := f.mailbox.Content(f.ctx, msg.UID)
	if errors.Is(err, store.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer c.Close()
	if c.Size() != msg.Size { // RFC 9051 §2.3.4
		return false, fmt.Errorf("message %d has %d octets and not %d: %w", msg.UID, c.Size(), msg.Size, store.ErrCorrupt)
	}
	readers := make([]*io.SectionReader, len(f.items.sections))
	for i := range f.items.sections {
		if readers[i], err = openSection(&f.items.sections[i], msg, c); err != nil {
			return false, err
		}
	}
	for i, r := range readers {
		if err := f.section(&f.items.sections[i], r); err != nil {
			return false, err
		}
	}
	return false, nil
}

// openSection returns the octets of a section, nil if the message has no such section.
func openSection(s *fetchSection, msg *store.Message, c postrider.Content) (*io.SectionReader, error) {
	if s.isWhole() {
		return postrider.NewReader(c), nil
	}
	r, ok, err := msg.Summary.Section(c, s.section)
	if err != nil || !ok {
		return nil, err
	}
	return r, nil
}

// section writes one section: its name, then NIL or a literal.
func (f *fetcher) section(s *fetchSection, r *io.SectionReader) error {
	var offset, size int64
	if r != nil {
		size = r.Size()
	}
	name := s.name
	if s.partial {
		name += "<" + strconv.FormatInt(s.offset, 10) + ">"
		offset = min(s.offset, size) // beyond the end there is the empty string (I10)
		size = min(s.length, size-offset)
	}
	f.name(name)
	if r == nil {
		f.b = append(f.b, "NIL"...)
		return nil
	}
	if size == 0 {
		f.b = append(f.b, `""`...)
		return nil
	}
	return f.literal(r, offset, size)
}

// chunkSize is how much of a message is in memory at a time.
const chunkSize = 32 << 10

// literal writes size octets of r from offset on. The first of them are read before the literal is announced: most of what
// can go wrong with a disk is known then. Later there is no way left to tell the client but to hang up.
func (f *fetcher) literal(r io.ReaderAt, offset, size int64) error {
	if most := int(min(size, chunkSize)); len(f.chunk) < most {
		f.chunk = make([]byte, most)
	}
	for end, announced := offset+size, false; offset < end; announced = true {
		chunk := f.chunk[:min(int64(len(f.chunk)), end-offset)]
		n, err := r.ReadAt(chunk, offset)
		switch {
		case n == len(chunk):
		case f.started():
			return &connError{fmt.Errorf("read message: %w", noEOF(err))}
		default:
			return noEOF(err)
		}
		if !announced {
			if err := f.announce(size); err != nil {
				return err
			}
		}
		if _, err := f.out.Write(chunk); err != nil {
			return &connError{err}
		}
		offset += int64(n)
	}
	return nil
}

// announce writes the response up to the octets of a literal. Before a large one all that waits is sent, so that
// whole chunks go out without being copied once more.
func (f *fetcher) announce(size int64) error {
	f.b = appendLiteral(f.b, size)
	if err := f.write(); err != nil || size <= chunkSize {
		return err
	}
	if err := f.out.Flush(); err != nil {
		return &connError{err}
	}
	return nil
}

// started reports whether a part of the response has been written, perhaps the announcement of a literal.
func (f *fetcher) started() bool { return len(f.b) == 0 || f.b[0] != '*' }

// noEOF is the error of a read that ended too early.
func noEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
