package report

import "strings"

// CalledAs makes the spec's Rerun begin with the command that the user called, which the process that ran the
// spec does not know: that is another process, or a guest with the same program under another name. Further
// words are added. A result without Rerun stays without.
func (s *SpecResult) CalledAs(program string, more ...string) {
	at := strings.LastIndex(s.Rerun, " run ")
	if at < 0 {
		return
	}
	s.Rerun = strings.Join(append([]string{program + s.Rerun[at:]}, more...), " ")
}
