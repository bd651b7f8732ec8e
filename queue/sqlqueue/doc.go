// Package sqlqueue keeps a queue on disk: messages and recipients in a SQLite
// database, large bodies in files beside it.
//
//	q, err := sqlqueue.Open(ctx, "/var/lib/mail/queue")
//	if err != nil {
//		return err
//	}
//	defer q.Close()
//	ids, err := q.Put(ctx, queue.Submission{...})
//
// # Durability
//
// When Put, Settle or Update return nil, the change has been synced to disk: SQLite runs in WAL mode with
// synchronous=FULL, and bodies in files are synced before the row that names them is written. What many goroutines want
// at the same time shares one sync, so the more there are the more goes through.
//
// # Schema
//
// The file schema.sql is the documentation of the tables, which other programs may read while the queue is
// open, and it is versioned: Open brings an older database up to date and refuses a newer one. A body lies in
// the database up to [Config.Inline] octets: messages in a queue come and go, so that their pages are used
// again, where each file costs two syncs of its own.
//
// The next recipient of each hop is noted in the row of the hop. So a claim looks at the hops whose turn it is, and
// a hop that is down costs nothing however much waits for it.
//
// # Concurrency
//
// A Queue may be used by many goroutines at once, but by one process: Open fails while another has it. Update
// and the writing of others wait for each other.
//
// # Errors
//
// A full disk is a *postrider.Status of code 4.3.1. All other errors are as package queue has them, or
// temporary ones of the database. A message whose record is damaged is logged at each attempt to claim it and holds up no
// other; Entries ends with an error there.
//
// # Limits
//
// Memory does not grow with the queue: Entries reads 200 recipients at a time. Put and settling
// cost as much in a long queue as in a short one. Update and Drop look at every recipient unless the
// Filter has an ID.
//
// # Bugs
//
// Times are kept to the microsecond. The file of the database does not shrink; its free pages are used again.
// A copy of the folder must not be taken into use beside the original: both would give out the same IDs.
package sqlqueue
