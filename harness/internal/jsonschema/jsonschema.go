// Package jsonschema holds a document against a JSON Schema (Draft 2020-12), as far as the schemas
// in fixtures go. It is for tests.
package jsonschema

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Refused lists what a schema refuses of a document. A keyword that it does not know is an error,
// so that none is taken for checked.
func Refused(schema, document []byte) ([]string, error) {
	var s map[string]any
	var d any
	if err := json.Unmarshal(schema, &s); err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("the document is not JSON: %w", err)
	}
	v := validator{root: s}
	v.check("$", s, d)
	return v.refused, v.unknown
}

type validator struct {
	root    map[string]any
	refused []string
	unknown error
}

func (v *validator) check(at string, schema map[string]any, doc any) {
	refuse := func(format string, args ...any) {
		v.refused = append(v.refused, at+": "+fmt.Sprintf(format, args...))
	}
	object, isObject := doc.(map[string]any)
	list, isList := doc.([]any)
	text, isText := doc.(string)
	number, isNumber := doc.(float64)

	for keyword, arg := range schema {
		switch keyword {
		case "$schema", "$id", "$defs", "title", "description", "properties":
		case "$ref":
			name := strings.TrimPrefix(arg.(string), "#/$defs/")
			v.check(at, v.root["$defs"].(map[string]any)[name].(map[string]any), doc)
		case "type":
			types, several := arg.([]any)
			if !several {
				types = []any{arg}
			}
			if !slices.ContainsFunc(types, func(name any) bool { return isA(name.(string), doc) }) {
				refuse("%v is no %v", doc, arg)
			}
		case "const":
			if !reflect.DeepEqual(arg, doc) {
				refuse("%v is not %v", doc, arg)
			}
		case "enum":
			if !slices.ContainsFunc(arg.([]any), func(one any) bool { return reflect.DeepEqual(one, doc) }) {
				refuse("%v is none of %v", doc, arg)
			}
		case "required":
			for _, name := range arg.([]any) {
				if _, there := object[name.(string)]; isObject && !there {
					refuse("%v is missing", name)
				}
			}
		case "additionalProperties":
			known, _ := schema["properties"].(map[string]any)
			for name, value := range object {
				if _, named := known[name]; named {
					continue
				}
				if sub, isSchema := arg.(map[string]any); isSchema {
					v.check(at+"."+name, sub, value)
				} else if arg == false {
					refuse("%s is not allowed", name)
				}
			}
		case "items":
			if isList {
				for i, item := range list {
					v.check(fmt.Sprintf("%s[%d]", at, i), arg.(map[string]any), item)
				}
			}
		case "pattern":
			if isText && !regexp.MustCompile(arg.(string)).MatchString(text) {
				refuse("%q does not match %s", text, arg)
			}
		case "minLength":
			if isText && utf8.RuneCountInString(text) < int(arg.(float64)) {
				refuse("%q is too short", text)
			}
		case "minimum":
			if isNumber && number < arg.(float64) {
				refuse("%v is under %v", number, arg)
			}
		default:
			v.unknown = fmt.Errorf("%s: this check does not know the schema's keyword %q", at, keyword)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, sub := range properties {
		if value, there := object[name]; there {
			v.check(at+"."+name, sub.(map[string]any), value)
		}
	}
}

func isA(name string, doc any) bool {
	switch value := doc.(type) {
	case map[string]any:
		return name == "object"
	case []any:
		return name == "array"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && value == math.Trunc(value)
	}
	return false
}
