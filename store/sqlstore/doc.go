// Package sqlstore keeps mail in a SQLite database and a folder of files.
package sqlstore
