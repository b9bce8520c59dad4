package report

import (
	"fmt"
	"slices"
	"strings"
)

// Headline says the most telling of what the specs of a claim observed over a family, for a cell
// of a table: the first time and the first name of the registry that the terminal says ("938.1 s
// ETIMEDOUT"), where there is no time the first number ("3 probes"), where there is nothing "".
// names are the observations it is made of.
func Headline(specs []SpecResult) (text string, names []string) {
	var moment, number, name string
	var ofMoment, ofNumber, ofName string
	for _, q := range Quantities() {
		values := valuesOf(q.Name, specs)
		if q.Phrase == "" || len(values) == 0 {
			continue
		}
		switch {
		case q.Unit == Seconds && moment == "":
			moment, ofMoment = spoken(q.Unit, values), q.Name
		case q.Unit == Name && name == "":
			name, ofName = spoken(q.Unit, values), q.Name
		case (q.Unit == Count || q.Unit == Bytes) && number == "":
			number, ofNumber = phraseOf(q, values), q.Name
		}
	}
	var parts []string
	add := func(part, of string) {
		if part != "" {
			parts, names = append(parts, part), append(names, of)
		}
	}
	add(moment, ofMoment)
	if moment == "" {
		add(number, ofNumber)
	}
	add(name, ofName)
	return strings.Join(parts, " "), names
}

// valuesOf are the values that specs observed under a name.
func valuesOf(name string, specs []SpecResult) []any {
	var values []any
	for _, spec := range specs {
		for _, o := range spec.Observations {
			if o.Name == name {
				values = append(values, o.Value)
			}
		}
	}
	return values
}

// phraseOf says the values of a quantity as its phrase does; a count of one loses the plural's s.
func phraseOf(q Quantity, values []any) string {
	phrase := fmt.Sprintf(q.Phrase, spoken(q.Unit, values))
	if q.Unit == Count && !slices.ContainsFunc(values, func(v any) bool { return v != 1 }) {
		phrase = strings.TrimSuffix(phrase, "s")
	}
	return phrase
}

// String says what was observed as people read it: "938 s", "3", "ETIMEDOUT".
func (v Value) String() string { return spoken(v.Unit, []any{v.Value}) }

// Say writes the values of one unit as one: "1.63 s", "1.60 to 1.63 s", "EPIPE or ECONNRESET".
func Say(values []Value) string {
	if len(values) == 0 {
		return ""
	}
	var all []any
	for _, v := range values {
		all = append(all, v.Value)
	}
	return spoken(values[0].Unit, all)
}
