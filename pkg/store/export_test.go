package store

// FromSDK converts an item of the SDK.
var FromSDK = fromSDK
