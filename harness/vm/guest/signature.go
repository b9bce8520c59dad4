package guest

import (
	"bytes"
	"encoding/binary"
)

// signatureMark ends a signed module (MODULE_SIG_STRING). Before it stand struct module_signature,
// whose last four bytes are the signature's length, and before that the signature
// (include/linux/module_signature.h).
var signatureMark = []byte("~Module signature appended~\n")

const signatureInfo = 12 // sizeof(struct module_signature)

// unsigned is the module without the signature at its end, or the module itself if there is none.
func unsigned(module []byte) []byte {
	rest, signed := bytes.CutSuffix(module, signatureMark)
	if !signed || len(rest) < signatureInfo {
		return module
	}
	length := int64(binary.BigEndian.Uint32(rest[len(rest)-4:]))
	rest = rest[:len(rest)-signatureInfo]
	if length > int64(len(rest)) {
		return module
	}
	return rest[:int64(len(rest))-length]
}
