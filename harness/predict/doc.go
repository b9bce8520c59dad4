// Package predict answers an operator's question with the models of package timing: with these sysctls
// and socket options, how long does each fault of the other end stay unnoticed, what ends it, and what is
// the application told? It also turns the question round: which settings notice within so long?
//
// # Words
//
//   - [Settings] are a system's timeouts, as sysctls, and what its application sets on its sockets.
//   - A [Row] is a fault that meets a connection in a state, and what follows: a window of time from a
//     moment that the row names, or never. The window holds for every retransmission timeout that the round
//     trip may have led to ([Settings.RTO]).
//   - A row's [Proof] is a spec that stages just this, with the settings as a custom profile
//     ([Settings.Profile]). [Judge] holds what the specs measured against the rows.
//   - An [Advice] is a setting that notices within a time, with what it covers and what it does not.
//
// Times in JSON are seconds. A window's floor is where the model is, never stretched, and its ceiling has
// the timer wheel's lateness in it, as everywhere in package timing.
package predict
