// Package smtp receives mail. See Server.
package smtp
