package mta

import (
	"errors"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

// storeStatus says in SMTP's terms why a store did not keep a message. Only what the owner of the mailbox
// must change is permanent.
func storeStatus(err error) *postrider.Status {
	switch {
	case errors.Is(err, store.ErrOverQuota):
		return &postrider.Status{Code: "5.2.2", Text: "mailbox is full", Err: err}
	case errors.Is(err, store.ErrNotExist), errors.Is(err, store.ErrName):
		// A rule decided for a mailbox that cannot be: that is ours to mend.
		return &postrider.Status{Code: "4.3.5", Text: "mailbox is not available now", Err: err}
	}
	return postrider.StatusOf(err)
}
