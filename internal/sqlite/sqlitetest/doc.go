// Package sqlitetest puts a file layer under SQLite that fails on demand and knows what
// a power cut would leave. It is for tests only.
//
//	layer := sqlitetest.NewLayer(t)
//	layer.OnOp(func(op sqlitetest.Op) int {
//		if op.Kind == sqlitetest.Sync {
//			return sqlitetest.IOError
//		}
//		return 0
//	})
//	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, VFS: layer.Name()})
//
// # Power cuts
//
// The layer keeps a copy of each file as of its last sync, and the writes since. After
// a power cut the disk has the former, and of the latter whatever it likes: all,
// none, some and not others, or a part of one, cut between sectors. [Layer.Image]
// throws the dice. What is not simulated: a disk that loses what it has synced, or
// changes what nobody wrote.
package sqlitetest
