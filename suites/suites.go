// Package suites links every story's specs into a program.
package suites

import _ "github.com/halfopen/halfopen/suites/hostcrash"
