package ladder

import (
	"fmt"
	"strconv"
	"time"
)

// span writes a length of time in three digits or so: "204 ms", "1.63 s", "938 s".
func span(d time.Duration) string {
	s := d.Seconds()
	switch {
	case s < 0.00995:
		return strconv.FormatFloat(s*1e3, 'f', 2, 64) + " ms"
	case s < 0.9995:
		return strconv.FormatFloat(s*1e3, 'f', 0, 64) + " ms"
	case s < 9.995:
		return strconv.FormatFloat(s, 'f', 2, 64) + " s"
	case s < 99.95:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	}
	return strconv.FormatFloat(s, 'f', 0, 64) + " s"
}

// clock writes a time of the axis: seconds to the millisecond.
func clock(at time.Duration) string {
	at = at.Round(time.Millisecond)
	if at < 0 {
		return "−" + clock(-at)
	}
	return fmt.Sprintf("%.3f", at.Seconds())
}
