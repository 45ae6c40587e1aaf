# An HTTP API whose callers have keys of Bitting. Terraform gives API Gateway no permission to call the authorizer by itself.
variable "bitting" { default = "bitting" } # the name of the stack that is Bitting
variable "environment" { default = "production" }

data "aws_region" "current" {}
data "aws_partition" "current" {}
data "aws_ssm_parameter" "authorizer" { name = "/${var.bitting}/authorizer/${var.environment}" }

resource "aws_apigatewayv2_api" "orders" {
  name          = "orders"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_stage" "orders" {
  api_id          = aws_apigatewayv2_api.orders.id
  name            = "$default"
  auto_deploy     = true
  stage_variables = { bittingApi = "orders" } # the API's name in the permissions' routes
}

resource "aws_apigatewayv2_authorizer" "bitting" {
  api_id                            = aws_apigatewayv2_api.orders.id
  name                              = "bitting"
  authorizer_type                   = "REQUEST"
  authorizer_payload_format_version = "2.0"
  authorizer_result_ttl_in_seconds  = 0
  authorizer_uri                    = "arn:${data.aws_partition.current.partition}:apigateway:${data.aws_region.current.name}:lambda:path/2015-03-31/functions/${data.aws_ssm_parameter.authorizer.value}/invocations"
}

resource "aws_lambda_permission" "bitting" {
  action        = "lambda:InvokeFunction"
  function_name = data.aws_ssm_parameter.authorizer.value
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.orders.execution_arn}/authorizers/${aws_apigatewayv2_authorizer.bitting.id}"
}

# Every route needs it: authorization_type = "CUSTOM", authorizer_id = aws_apigatewayv2_authorizer.bitting.id
