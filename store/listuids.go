package store

import "context"

// A UIDLister is a Mailbox that knows its UIDs without looking at each message.
type UIDLister interface {
	// UIDs returns the UIDs of all messages.
	UIDs(ctx context.Context) (UIDSet, error)
}

// ListUIDs returns the UIDs of all messages in m, by m's own UIDLister if it has one, by
// a Scan otherwise.
func ListUIDs(ctx context.Context, m Mailbox) (UIDSet, error) {
	if l, ok := as[UIDLister](m); ok {
		return l.UIDs(ctx)
	}
	var uids UIDSet
	for msg, err := range m.Scan(ctx, ScanQuery{}) {
		if err != nil {
			return nil, err
		}
		uids.Add(msg.UID)
	}
	return uids, nil
}
