// Package bitting holds the files that a program needs to run a deployment outside of a checkout.
package bitting

import _ "embed"

// Template is template.yaml, which `bitting local` reads as AWS does.
//
//go:embed template.yaml
var Template []byte

// NodePackage and NodePackageLock are package.json and its lock: which DynamoDB stand-in npm
// installs.
var (
	//go:embed package.json
	NodePackage []byte
	//go:embed package-lock.json
	NodePackageLock []byte
)
