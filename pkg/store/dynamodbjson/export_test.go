package dynamodbjson

// Member reads an item that is a member of an answer.
var Member = member
