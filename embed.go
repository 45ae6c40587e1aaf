// Package bitting holds what a program needs to run a deployment outside of a checkout: files, and how
// functions are built.
package bitting

import _ "embed"

// Template is template.yaml, which `bitting local` reads as AWS does.
//
//go:embed template.yaml
var Template []byte

// BuildTags are the tags with which functions are built, as tools/function.mk has them.
const BuildTags = "lambda.norpc,nethttpomithttp2"

// NodePackage and NodePackageLock are package.json and its lock: which DynamoDB stand-in npm
// installs.
var (
	//go:embed package.json
	NodePackage []byte
	//go:embed package-lock.json
	NodePackageLock []byte
)
